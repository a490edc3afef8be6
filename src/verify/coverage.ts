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
 * A gap that a manifest names itself is lost, unless another one has read it after all (a file that came back, a replay):
 *
 *     manifests     [0 ---- 40, expired 40 to 60, 60 ---- 70)
 *     lost                  [40 ------ 60)
 *
 * Units are stored several at a time and committed in their order: a gap that nothing is committed behind is one that a
 * collector is about to fill, or will read again after a crash. Such a gap is pending.
 */
import { DEAD_LETTER_PARENT } from "../replay/dead_letter_ranges.ts";
import { comparePositions, type Position, type SplitId, splitParent } from "../records/position.ts";
import type { Findings } from "./findings.ts";
import { addGone, type GoneTotals, newGoneTotals } from "./gone.ts";
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
  /** What manifests themselves say is lost. */
  readonly gone: Readonly<GoneTotals>;
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
  /** Whether what manifests say is lost is all right. */
  readonly acceptLoss: boolean;
  /** Called once a log of a split, in order; `reach` is null but for the one that goes furthest. */
  readonly report: (split: SplitReport, reach: Reach | null) => void;
}

/** Takes the ranges of all splits in the order of `encodeRange`, and reports each split when the next one begins. */
export class CoverageSweep {
  readonly #findings: Findings;
  readonly #committed: ReadonlyMap<SplitId, Position> | null;
  readonly #acceptUncovered: boolean;
  readonly #acceptLoss: boolean;
  readonly #report: (split: SplitReport, reach: Reach | null) => void;
  #split: SplitId | null = null;
  /** Of the split: its logs, one mostly. What one of them lacks isn't in another. */
  readonly #logs = new Map<string, SplitSweep>();
  /** Of those with a committed position. */
  readonly #seen = new Set<SplitId>();

  constructor(options: CoverageOptions) {
    this.#findings = options.findings;
    this.#committed = options.committed;
    this.#acceptUncovered = options.acceptUncovered;
    this.#acceptLoss = options.acceptLoss;
    this.#report = options.report;
  }

  add(range: ListedRange): void {
    if (this.#split !== range.split) this.#finish();
    this.#split = range.split;
    this.#sweepOf(range).add(range);
  }

  /** Earlier collectors didn't say of which log a range is: theirs begin the log that goes on behind them. */
  #sweepOf({ split, log, start }: ListedRange): SplitSweep {
    const known = this.#logs.get(log), unnamed = this.#logs.get("");
    if (known !== undefined) return known;
    const goesOn = unnamed !== undefined && comparePositions(start, unnamed.end) >= 0;
    if (goesOn) this.#logs.delete("");
    const committed = this.#committed?.get(split) ?? null;
    const options = { committed, findings: this.#findings, acceptLoss: this.#acceptLoss };
    const sweep = goesOn ? unnamed : new SplitSweep(split, options);
    this.#logs.set(log, sweep);
    return sweep;
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
    const sweeps = [...this.#logs.values()];
    this.#logs.clear();
    for (const sweep of sweeps) sweep.finish();
    // Which of them is the log of now isn't written anywhere: the one that goes furthest is held against what is committed.
    sweeps.sort((a, b) => comparePositions(a.end, b.end));
    const state = sweeps.pop();
    if (state === undefined) return;
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
    for (const earlier of sweeps) this.#report(earlier.report(), null);
    this.#report(state.report(), state.reach());
  }
}

/** A gap that a manifest names, as long as it isn't known whether another one has read it. */
interface NamedGap extends Pick<ListedRange, "start" | "next" | "manifest"> {
  readonly gap: NonNullable<ListedRange["gap"]>;
}

class SplitSweep {
  readonly split: SplitId;
  /** Null when it isn't known. */
  readonly committed: Position | null;
  readonly #findings: Findings;
  readonly #acceptLoss: boolean;
  readonly #covered: Segment[] = [];
  #coveredCount = 0;
  /** The part that is being covered: where it begins, how far it got, and whose range got there. */
  #start: Position | null = null;
  #end: Position = "0";
  #endManifest = "";
  /** Whether the last thing was a loss. */
  #endsLost = false;
  /** The one that reaches furthest. */
  #named: NamedGap | null = null;
  /** Where the first gap begins. */
  #firstGap: Position | null = null;
  #gaps = 0;
  #pendingGaps = 0;
  #overlaps = 0;
  #units = 0;
  readonly #gone = newGoneTotals();
  readonly #counts = { records: 0, rows: 0, deadLetters: 0, dropped: 0 };
  #minTimestamp = NaN;
  #maxTimestamp = NaN;
  #maxTimestampBeforeGap = NaN;

  constructor(
    split: SplitId,
    { committed, findings, acceptLoss }: { committed: Position | null; findings: Findings; acceptLoss: boolean },
  ) {
    this.split = split;
    this.committed = committed;
    this.#findings = findings;
    this.#acceptLoss = acceptLoss;
  }

  /** The end of what is covered, or known to be lost. */
  get end(): Position {
    return this.#end;
  }

  add(range: ListedRange): void {
    const { start, next, manifest, gap } = range;
    if (this.#start === null) this.#begin(start, manifest);
    this.#moveTo(start, manifest);
    if (gap !== null) {
      if (this.#named === null || comparePositions(this.#named.next, next) < 0) this.#named = { ...range, gap };
    } else {
      this.#endsLost = false;
      if (comparePositions(start, this.#end) < 0) this.#addOverlap(range);
      if (comparePositions(next, this.#end) > 0) {
        this.#end = next;
        this.#endManifest = manifest;
      }
    }
    if (range.counted) this.#count(range);
  }

  /** After the last range. */
  finish(): void {
    if (this.#named !== null) this.#moveTo(this.#named.next, this.#named.manifest);
  }

  report(): SplitReport {
    const { split, committed } = this;
    const last = { start: this.#start ?? "0", next: this.#end };
    const isEmpty = this.#endsLost && this.#coveredCount > 0;
    const covered = isEmpty || this.#covered.length === MAX_SEGMENTS ? this.#covered : [...this.#covered, last];
    return {
      split,
      covered,
      coveredCount: this.#coveredCount + (isEmpty ? 0 : 1),
      gaps: this.#gaps,
      pendingGaps: this.#pendingGaps,
      overlaps: this.#overlaps,
      gone: this.#gone,
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

  #begin(start: Position, manifest: string): void {
    this.#start = start;
    this.#end = start;
    this.#endManifest = manifest;
  }

  /** No range that begins before `position` will come any more: what isn't covered up to there is lost, or missing. */
  #moveTo(position: Position, manifest: string): void {
    if (this.#named !== null) {
      const to = comparePositions(this.#named.next, position) < 0 ? this.#named.next : position;
      if (comparePositions(this.#end, to) < 0) this.#addLoss(this.#named, to);
    }
    if (comparePositions(this.#end, position) < 0) this.#addGap(position, manifest);
  }

  /** What a manifest says is lost, from the end of what is covered up to `to`. */
  #addLoss({ start, next, manifest, gap: { reason, records } }: NamedGap, to: Position): void {
    const { split } = this;
    const from = this.#end;
    const isWhole = comparePositions(start, from) === 0 && comparePositions(next, to) === 0;
    const count = records === null
      ? "nobody knows how many records"
      : `${isWhole ? "" : "of "}up to ${records} records`;
    const why = {
      expired: "the source no longer had them when they were to be read",
      skipped: "they were left out or could not be read",
    }[reason];
    this.#findings.add({
      kind: this.#acceptLoss ? "accepted-loss" : reason,
      message: `${split} from ${from} to ${to}: ${count}, ${why}, says ${manifest}`,
      ...{ split, start: from, next: to },
    });
    const isKnown = records !== null && isWhole;
    addGone(this.#gone, {
      ...{ expired: 0, skipped: 0, records: isKnown ? records : 0, unknown: isKnown ? 0 : 1 },
      [reason]: 1,
    });
    this.#endsLost = true;
    this.#endSegment(from, { hides: !this.#acceptLoss });
    this.#begin(to, manifest);
  }

  #addGap(to: Position, manifest: string): void {
    const { split, committed } = this;
    const from = this.#end;
    const isPending = committed !== null && comparePositions(committed, from) <= 0;
    const where = `in no manifest, between ${this.#endManifest} and ${manifest}`;
    this.#findings.add({
      kind: isPending ? "pending-gap" : "gap",
      message: `${split} from ${from} to ${to}: ${where}` +
        (isPending ? `; it is committed at ${committed}, so this is being stored now, or will be read again` : ""),
      ...{ split, start: from, next: to },
    });
    if (isPending) this.#pendingGaps++;
    else this.#gaps++;
    this.#endSegment(from, { hides: true });
    this.#begin(to, manifest);
  }

  /** @param hides whether nothing that comes behind it proves anything of the time before it. */
  #endSegment(next: Position, { hides }: { hides: boolean }): void {
    if (hides) this.#firstGap ??= next;
    if (comparePositions(this.#start!, next) === 0) return;
    this.#coveredCount++;
    if (this.#covered.length < MAX_SEGMENTS) this.#covered.push({ start: this.#start!, next });
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
