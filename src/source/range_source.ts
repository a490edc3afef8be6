import type { PlannedSplit, RangePlan, RangeRequest } from "../records/range.ts";
import type { Position, SplitId } from "../records/position.ts";
import type { PollLimit, RecordBatch } from "../records/record_batch.ts";

/**
 * A source read by ranges instead of by subscription, for bounded jobs: it joins no group, takes no lease, moves no
 * checkpoint of the live collector, and diverts nothing. First `plan`, unless an unfinished job brings its plan along; then
 * `open`, then `begin` and `read` of several splits in turn; `close` at the end, also after an error. Errors as with
 * Source: it retries what can pass, and what it throws ends the job.
 */
export interface RangeSource {
  /**
   * Finds out what the range is now. Reads no more records than it takes to find the edges.
   *
   * @throws MisuseError when the range makes no sense for this source, with what to write instead.
   */
  plan(request: RangeRequest, signal: AbortSignal): Promise<RangePlan>;
  /** Connects, to read from these splits. */
  open(splits: readonly PlannedSplit[], signal: AbortSignal): Promise<void>;
  /**
   * The split's turn to be read has come: from `position` on, its start or where an earlier process got to. It may be
   * fetched ahead of `read` from now on. Several splits are begun at a time (at most MAX_RANGES_AT_ONCE); each has its own
   * share of the memory for fetching ahead, so that none waits for another to be read.
   */
  begin(planned: PlannedSplit, position: Position): void;
  /**
   * The next records of a split that was begun, waiting for some; "end" once everything up to its end was returned.
   * The batches follow each other without a gap, from `position` to the end exactly, in `epoch` RANGE_EPOCH, and hold the
   * same records whenever they are read; where one ends may differ. But one that is full (it has `maxRows`, or a record
   * larger than `maxBytes`), and the last one when `end` is null, end (`next`) where their last record alone decides, not
   * what was read or came behind it. The limit may be 0 bytes; one record larger than it still comes, alone. Rejects with the signal's reason as soon as it aborts, and loses nothing by that.
   */
  read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end">;
  /** How much of a split that was begun has been returned, 0 to 1. */
  progress(split: SplitId): number;
  /** What turned out to be gone while it was read, for people: a sentence each. Absent when that is an error. */
  missing?(): readonly string[];
  /**
   * Where jobs of this name have got to, as `publish` left it; absent when the source has no place for that.
   */
  published?(job: string, signal: AbortSignal): Promise<ReadonlyMap<SplitId, Position>>;
  /** Notes where the job has got to in a place that others see (offsets of a group of its own). Durable when resolved. */
  publish?(job: string, positions: ReadonlyMap<SplitId, Position>, signal: AbortSignal): Promise<void>;
  /** Frees what it holds. Twice is safe. */
  close(): Promise<void>;
}
