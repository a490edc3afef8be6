/**
 * What the ranges of all manifests cover, split by split, and what they don't:
 *
 *     manifests     [0 ---- 40)[40 ---- 70)      [90 ---- 130)
 *                                   [60 -- 75)
 *     covered       [0 ------------------- 75)   [90 ---- 130)
 *     overlap                       [60 70)                        the same records twice
 *     gap                                  [75 90)                 missing
 *     committed                                               150
 *     beyond                                          [130 --- 150)  missing, and will not be read again
 *
 * Units are stored several at a time and committed in their order: a gap that nothing is committed behind is one that a
 * collector is about to fill, or will read again after a crash. Such a gap is pending.
 */
import { DEAD_LETTER_PARENT } from "../replay/dead_letter_ranges.ts";
import { comparePositions, type Position, type SplitId, splitParent } from "../records/position.ts";
import type { Findings } from "./findings.ts";
import type { ListedRange } from "./sort_records.ts";

/** Covered parts that are kept for each split; the others are counted. */
const MAX_SEGMENTS = 20;

export interface Segment {
  readonly start: Position;
  readonly next: Position;
}

export interface SplitReport {
  readonly split: SplitId;
  /** What is covered, in order: one part when nothing is missing in between. The first MAX_SEGMENTS. */
  readonly covered: readonly Segment[];
  readonly coveredCount: number;
  readonly gaps: number;
  /** Gaps behind which nothing is committed. */
  readonly pendingGaps: number;
  readonly overlaps: number;
  /** Manifests that have a range of it. */
  readonly units: number;
  readonly records: number;
  readonly rows: number;
  readonly deadLetters: number;
  readonly dropped: number;
  /** When the records arrived, ISO 8601 in UTC; null when that isn't known. */
  readonly minTimestamp: string | null;
  readonly maxTimestamp: string | null;
  /** Null when it isn't known. */
  readonly committed: Position | null;
  /** Whether it is committed beyond what is covered. */
  readonly beyond: boolean;
}

/** How far a split is covered without a gap from its first range on. */
export interface Reach {
  readonly split: SplitId;
  readonly next: Position;
  /** Where everything that is covered ends: `next`, when there is no gap. */
  readonly end: Position;
  /** The earliest arrival of all its records, epoch ms; NaN when none is known. */
  readonly minTimestamp: number;
  /** The latest arrival of the records up to `next`, epoch ms; NaN when none is known. */
  readonly maxTimestamp: number;
}

/** Of dead letters that got a second try: such ranges say nothing about what was read of a source. */
export function isRedriven(split: SplitId): boolean {
  return splitParent(split) === DEAD_LETTER_PARENT;
}

export interface CoverageOptions {
  readonly findings: Findings;
  /** Null when it isn't known. */
  readonly committed: ReadonlyMap<SplitId, Position> | null;
  /** Whether a split that is committed and in no manifest is all right. */
  readonly acceptUncovered: boolean;
  /** Called once a split, in order. */
  readonly report: (split: SplitReport, reach: Reach) => void;
}

/** Takes the ranges of all splits in the order of `encodeRange`, and reports each split when the next one begins. */
export class CoverageSweep {
  readonly #findings: Findings;
  readonly #committed: ReadonlyMap<SplitId, Position> | null;
  readonly #acceptUncovered: boolean;
  readonly #report: (split: SplitReport, reach: Reach) => void;
  #state: SplitSweep | null = null;
  /** Of those with a committed position. */
  readonly #seen = new Set<SplitId>();

  constructor(options: CoverageOptions) {
    this.#findings = options.findings;
    this.#committed = options.committed;
    this.#acceptUncovered = options.acceptUncovered;
    this.#report = options.report;
  }

  add(range: ListedRange): void {
    if (this.#state?.split !== range.split) {
      this.#finish();
      this.#state = new SplitSweep(range.split, this.#committed?.get(range.split) ?? null, this.#findings);
    }
    this.#state.add(range);
  }

  /** After the last range: the last split, and splits that were committed and of which there is no range at all. */
  end(): void {
    this.#finish();
    if (this.#acceptUncovered) return;
    for (const [split, position] of this.#committed ?? []) {
      if (this.#seen.has(split) || comparePositions(position, "0") === 0) continue;
      this.#findings.add({
        kind: "uncovered-split",
        message:
          `${split} is committed at ${position}, and no manifest has anything of it: what was read is missing, ` +
          "unless it began there, or was read before there were manifests (then write --accept-uncovered)",
        split,
        next: position,
      });
    }
  }

  #finish(): void {
    const state = this.#state;
    if (state === null) return;
    this.#state = null;
    const committed = this.#committed?.get(state.split) ?? null;
    if (committed !== null) {
      this.#seen.add(state.split);
      if (comparePositions(committed, state.end) > 0) {
        this.#findings.add({
          kind: "committed-beyond",
          message:
            `${state.split} is committed at ${committed}, and manifests cover it up to ${state.end} only: what is ` +
            "between them is missing and will not be read again",
          ...{ split: state.split, start: state.end, next: committed },
        });
      }
    }
    this.#report(state.report(), state.reach());
  }
}

class SplitSweep {
  readonly split: SplitId;
  /** Null when it isn't known. */
  readonly committed: Position | null;
  readonly #findings: Findings;
  readonly #covered: Segment[] = [];
  #coveredCount = 0;
  /** The part that is being covered: where it begins, how far it got, and whose range got there. */
  #start: Position | null = null;
  #end: Position = "0";
  #endManifest = "";
  /** Where the first gap begins. */
  #firstGap: Position | null = null;
  #gaps = 0;
  #pendingGaps = 0;
  #overlaps = 0;
  #units = 0;
  readonly #counts = { records: 0, rows: 0, deadLetters: 0, dropped: 0 };
  #minTimestamp = NaN;
  #maxTimestamp = NaN;
  #maxTimestampBeforeGap = NaN;

  constructor(split: SplitId, committed: Position | null, findings: Findings) {
    this.split = split;
    this.committed = committed;
    this.#findings = findings;
  }

  /** The end of what is covered. */
  get end(): Position {
    return this.#end;
  }

  add(range: ListedRange): void {
    const { start, next, manifest } = range;
    if (this.#start === null) this.#begin(range);
    else {
      const order = comparePositions(start, this.#end);
      if (order > 0) this.#addGap(range);
      else if (order < 0) this.#addOverlap(range);
      if (comparePositions(next, this.#end) > 0) {
        this.#end = next;
        this.#endManifest = manifest;
      }
    }
    this.#count(range);
  }

  report(): SplitReport {
    const { split, committed } = this;
    const last = { start: this.#start ?? "0", next: this.#end };
    const covered = this.#covered.length < MAX_SEGMENTS ? [...this.#covered, last] : this.#covered;
    return {
      split,
      covered,
      coveredCount: this.#coveredCount + 1,
      gaps: this.#gaps,
      pendingGaps: this.#pendingGaps,
      overlaps: this.#overlaps,
      units: this.#units,
      ...this.#counts,
      minTimestamp: isoOf(this.#minTimestamp),
      maxTimestamp: isoOf(this.#maxTimestamp),
      committed,
      beyond: committed !== null && comparePositions(committed, this.#end) > 0,
    };
  }

  reach(): Reach {
    return {
      split: this.split,
      next: this.#firstGap ?? this.#end,
      end: this.#end,
      minTimestamp: this.#minTimestamp,
      maxTimestamp: this.#maxTimestampBeforeGap,
    };
  }

  #begin({ start, next, manifest }: ListedRange): void {
    this.#start = start;
    this.#end = next;
    this.#endManifest = manifest;
  }

  #addGap(range: ListedRange): void {
    const { split, committed } = this;
    const from = this.#end, to = range.start;
    const isPending = committed !== null && comparePositions(committed, from) <= 0;
    const where = `in no manifest, between ${this.#endManifest} and ${range.manifest}`;
    this.#findings.add({
      kind: isPending ? "pending-gap" : "gap",
      message: `${split} from ${from} to ${to}: ${where}` +
        (isPending ? `; it is committed at ${committed}, so this is being stored now, or will be read again` : ""),
      ...{ split, start: from, next: to },
    });
    if (isPending) this.#pendingGaps++;
    else this.#gaps++;
    this.#firstGap ??= from;
    this.#coveredCount++;
    if (this.#covered.length < MAX_SEGMENTS) this.#covered.push({ start: this.#start!, next: from });
    this.#begin(range);
  }

  #addOverlap(range: ListedRange): void {
    const to = comparePositions(range.next, this.#end) < 0 ? range.next : this.#end;
    if (comparePositions(range.start, to) >= 0) return; // of no records
    const { split } = this;
    this.#findings.add({
      kind: "overlap",
      message: `${split} from ${range.start} to ${to}: twice, in ${this.#endManifest} and ${range.manifest}`,
      ...{ split, start: range.start, next: to },
    });
    this.#overlaps++;
  }

  #count({ records, rows, deadLetters, dropped, minTimestamp, maxTimestamp }: ListedRange): void {
    this.#units++;
    this.#counts.records += records;
    this.#counts.rows += rows;
    this.#counts.deadLetters += deadLetters;
    this.#counts.dropped += dropped;
    if (!(this.#minTimestamp <= minTimestamp || Number.isNaN(minTimestamp))) this.#minTimestamp = minTimestamp;
    if (!(this.#maxTimestamp >= maxTimestamp || Number.isNaN(maxTimestamp))) this.#maxTimestamp = maxTimestamp;
    if (this.#firstGap === null) this.#maxTimestampBeforeGap = this.#maxTimestamp;
  }
}

function isoOf(epochMs: number): string | null {
  return Number.isNaN(epochMs) ? null : new Date(epochMs).toISOString();
}
