import type { Gap } from "./gap.ts";
import type { Epoch, Position, SplitId } from "./position.ts";

/** The records [start, next) of one split, read in one epoch. */
export interface FlushRange {
  readonly split: SplitId;
  readonly epoch: Epoch;
  readonly start: Position;
  readonly next: Position;
  /** As in RecordBatch. */
  readonly log?: string;
  /** What of it is lost, in order; absent mostly. */
  readonly gaps?: readonly Gap[];
}

/** A sealed set of ranges that is written, and then committed, as a whole. */
export interface FlushUnit {
  /**
   * Made from the ranges' splits, logs and positions alone, so the same ranges have the same name whenever and by whomever
   * they are written: what a retry writes replaces what it wrote before. Safe as a file name, at most 120 characters.
   */
  readonly name: string;
  /** Sorted by split, one range a split. */
  readonly ranges: readonly FlushRange[];
}
