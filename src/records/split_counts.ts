import type { SplitId } from "./position.ts";

/** What became of one split's records between two seals. */
export interface SplitCounts {
  readonly split: SplitId;
  /** Records in, and where they went: rows + deadLetters + sum(dropped) = records. */
  readonly records: number;
  readonly recordBytes: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** Not for the target by a rule of the config, by reason: "empty", "collection", "dead-letter", "historical". */
  readonly dropped: Readonly<Record<string, number>>;
  /** Earliest and latest time at which the source received one of the records, rows or not, epoch ms; NaN when unknown. */
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
}

/** Counts that are still growing. */
export type RunningCounts = { -readonly [K in keyof Omit<SplitCounts, "split" | "dropped">]: number } & {
  dropped: Record<string, number>;
};

export function newCounts(): RunningCounts {
  return {
    records: 0,
    recordBytes: 0,
    rows: 0,
    deadLetters: 0,
    dropped: {},
    minTimestamp: NaN,
    maxTimestamp: NaN,
  };
}
