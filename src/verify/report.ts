import type { Position, SplitId } from "../records/position.ts";
import type { ObjectTotals } from "./check_objects.ts";
import type { Depth } from "./contents.ts";
import type { SplitReport } from "./coverage.ts";
import type { GoneTotals } from "./gone.ts";
import type { Finding, FindingKind, Findings } from "./findings.ts";

/** Splits of each sort, with and without something wrong, that are kept; the others are counted. */
export const MAX_KEPT_SPLITS = 1000;

/** What became of records. */
export interface RecordTotals {
  records: number;
  rows: number;
  deadLetters: number;
  dropped: number;
}

export interface ReplayTotals {
  reports: number;
  /** Of those, the ones that are damaged or of a later version. */
  unusable: number;
  /** Stretches of splits. */
  uncovered: number;
}

/**
 * Why nothing is wrong, or what is. "incomplete": something is missing or damaged. "undone": nothing of that kind was found,
 * but not everything could be looked at.
 */
export type Outcome = "ok" | "incomplete" | "undone";

/** What an audit found, as `collector verify --json` prints it. */
export interface VerifyReport {
  readonly outcome: Outcome;
  readonly depth: Depth;
  readonly committed: CommittedKind;
  readonly manifests: number;
  readonly objects: Readonly<ObjectTotals>;
  readonly deadLetterObjects: Readonly<ObjectTotals>;
  /** Objects with rows that no manifest lists. */
  readonly unlisted: { readonly objects: number; readonly byteLength: number };
  /** Prefixes with manifests of their own: what is below them belongs to those. */
  readonly otherPrefixes: readonly string[];
  readonly totals: Readonly<RecordTotals>;
  readonly gone: Readonly<GoneTotals>;
  /** Dead letters that got a second try; `ranges` of them. They cover nothing. */
  readonly redriven: Readonly<RecordTotals & { ranges: number }>;
  /** Reports of finished replays and redrives, and what of their ranges no manifest has. */
  readonly replays: Readonly<ReplayTotals>;
  readonly splitCount: number;
  /** Those with gaps, losses, overlaps or positions beyond come first. */
  readonly splits: readonly SplitReport[];
  /** All findings by kind; `findings` has the first ones of each. */
  readonly counts: Partial<Record<FindingKind, number>>;
  readonly findings: readonly Finding[];
  /** Absent when none were asked for. */
  readonly hourMarkers?: HourMarkersReport;
}

export interface HourMarkersReport {
  readonly written: number;
  readonly parents: readonly {
    readonly parent: string;
    /** ISO 8601 in UTC: the end of the last hour that has a marker now; null when none has. */
    readonly completeUntil: string | null;
    /** The split that holds back the next hour. */
    readonly heldBackBy: SplitId | null;
  }[];
}

/** Up to where the source says that everything was read. */
export type Committed =
  | { readonly kind: "compared"; readonly positions: ReadonlyMap<SplitId, Position> }
  /** Nobody can know; `why` is a sentence. */
  | { readonly kind: "unknown"; readonly why: string }
  /** It could not be asked. */
  | { readonly kind: "unreachable"; readonly why: string }
  /** It isn't to be asked. */
  | { readonly kind: "ignored" };

export type CommittedKind = Committed["kind"];

export function newRecordTotals(): RecordTotals {
  return { records: 0, rows: 0, deadLetters: 0, dropped: 0 };
}

export function addRecords(
  totals: RecordTotals,
  { records, rows, deadLetters, dropped }: Readonly<RecordTotals>,
): void {
  totals.records += records;
  totals.rows += rows;
  totals.deadLetters += deadLetters;
  totals.dropped += dropped;
}

/** @param strict whether warnings about duplicates and unlisted objects count as errors. */
export function outcomeOf(findings: Findings, { strict }: { strict: boolean }): Outcome {
  if (findings.has("error")) return "incomplete";
  if (strict && findings.count("overlap") + findings.count("unlisted-object") > 0) return "incomplete";
  return findings.has("undone") ? "undone" : "ok";
}

/** The first splits with something wrong, and the first others. */
export class SplitList {
  readonly #wrong: SplitReport[] = [];
  readonly #right: SplitReport[] = [];
  count = 0;

  add(split: SplitReport): void {
    this.count++;
    const list = split.gaps + split.overlaps + split.gone.expired + split.gone.skipped > 0 || split.beyond
      ? this.#wrong
      : this.#right;
    if (list.length < MAX_KEPT_SPLITS) list.push(split);
  }

  kept(): SplitReport[] {
    return [...this.#wrong, ...this.#right];
  }
}
