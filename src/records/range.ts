import type { Position, SplitDetails, SplitId } from "./position.ts";

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

/** Ranges are read by one process, which nobody takes them from. */
export const RANGE_EPOCH = 1n;

/** Splits that are begun and not at their end, at the most. Part of what decides the order of records: never change it. */
export const MAX_RANGES_AT_ONCE = 16;
