import type { SplitDetails } from "../checkpoint/checkpoint_file.ts";
import type { PollLimit, Position, RecordBatch, SplitId } from "./source.ts";

/** Where a range begins or ends. */
export type RangeEdge =
  /** At the first record that the source received at or after this time, epoch ms. */
  | { readonly timestampMs: number }
  /** At positions, as the source's users write them: "1000", or "0:1000,3:2500" by partition. */
  | { readonly positions: string };

/** What a replay asks for. */
export interface RangeRequest {
  /** Null: from the earliest record that is still there. */
  readonly from: RangeEdge | null;
  /** Exclusive. Null: up to the end as it is now. */
  readonly to: RangeEdge | null;
  /** Where the last run of the same job ended: these splits begin there, whatever `from` says. Empty mostly. */
  readonly resume: ReadonlyMap<SplitId, Position>;
  /** The details of splits in `resume` that were read to the end of their plan, as this had them. */
  readonly known?: ReadonlyMap<SplitId, SplitDetails>;
  /** Whether the historical topic is read in place of the source's own. */
  readonly historical: boolean;
}

/** One split's part of a range. Plain data: it is kept while the job isn't finished. */
export interface PlannedSplit {
  readonly split: SplitId;
  readonly start: Position;
  /** The first position that isn't read any more; null when only reading finds it (the time in a shard). */
  readonly end: Position | null;
  /** Splits of the plan that are read to their end before this one; a split that isn't in the plan doesn't count. */
  readonly after: readonly SplitId[];
  /** How much there is to read, in the plan's `weightUnit`, as far as it is known; for the progress only. */
  readonly weight: number;
  /** What the source itself wants to find again when another process goes on with the job. */
  readonly details: SplitDetails;
}

/** A range, fixed: whatever comes into the source afterwards isn't in it. */
export interface RangePlan {
  /** Only splits with something to read, sorted so that the same range has the same order. */
  readonly splits: readonly PlannedSplit[];
  readonly weightUnit: "records" | "bytes" | "ms";
  /**
   * Splits of `resume` that are still there and have nothing new: what is known of them must be kept. Absent when a source's
   * splits are never so many that what is known of others has to be forgotten.
   */
  readonly unchanged?: readonly SplitId[];
  /** What the request asks for and is no longer there (expired), for people: a sentence each. Empty when the range is whole. */
  readonly missing: readonly string[];
}

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
   * @throws FatalError when the range makes no sense for this source, with what to write instead.
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

/** Ranges are read by one process, which nobody takes them from. */
export const RANGE_EPOCH = 1n;

/** Splits that are begun and not at their end, at the most. Part of what decides the order of records: never change it. */
export const MAX_RANGES_AT_ONCE = 16;

/** A batch without rows: it only moves the position. */
export function emptyBatch(split: string, start: Position, next: Position): RecordBatch {
  return {
    split,
    epoch: RANGE_EPOCH,
    start,
    next,
    rowCount: 0,
    bytes: new Uint8Array(0),
    offsets: new Uint32Array(1),
    timestamps: new Float64Array(0),
    positions: new BigInt64Array(0),
    keys: null,
    headers: null,
  };
}
