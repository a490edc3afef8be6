import type { Position, SplitId } from "../records/position.ts";

/**
 * What a finding means for whoever trusts the result. "error": something is missing or damaged. "undone": something could
 * not be looked at, so nothing is proved. "warning": everything is there, but somebody may want to know.
 */
export type Severity = "error" | "undone" | "warning";

/** What can be found, the worst first. Scripts build on the names: never change one's meaning. */
export const FINDING_KINDS = {
  /** Committed, and in no manifest: will not be read again. */
  "committed-beyond": "error",
  "uncovered-split": "error",
  "gap": "error",
  /** Not read, and its manifest says why: the source no longer had it, or it was left out. */
  "expired": "error",
  "skipped": "error",
  /** A report of a replay says that it was read and stored. */
  "uncovered-replay": "error",
  "missing-object": "error",
  "missing-dead-letters": "error",
  "wrong-size": "error",
  "wrong-checksum": "error",
  "wrong-rows": "error",
  "damaged-contents": "error",
  "damaged-manifest": "error",
  "wrong-counts": "error",
  "damaged-report": "error",
  /** Written by a later version. */
  "newer-manifest": "undone",
  "newer-report": "undone",
  "no-manifests": "undone",
  "committed-unreachable": "undone",
  "pending-gap": "warning",
  /** Expired or skipped, and somebody knows. */
  "accepted-loss": "warning",
  "overlap": "warning",
  "unlisted-object": "warning",
  "committed-unknown": "warning",
  "ends-unknown": "warning",
} as const satisfies Record<string, Severity>;

export type FindingKind = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly kind: FindingKind;
  /** A sentence for people: what, where, and what to do where that isn't plain. */
  readonly message: string;
  /** Of the object, manifest or report that it is about. */
  readonly key?: string;
  readonly split?: SplitId;
  /** Positions [start, next) of the split that are missing, or there twice. */
  readonly start?: Position;
  readonly next?: Position;
}

/** Findings of a kind that are kept; the others are counted. */
export const MAX_KEPT_FINDINGS = 1000;

/** Everything that was found: counted by kind, the first ones kept. */
export class Findings {
  readonly #counts = new Map<FindingKind, number>();
  readonly #kept = new Map<FindingKind, Finding[]>();

  add(finding: Finding): void {
    const { kind } = finding;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count > MAX_KEPT_FINDINGS) return;
    const kept = this.#kept.get(kind);
    if (kept === undefined) this.#kept.set(kind, [finding]);
    else kept.push(finding);
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  has(severity: Severity): boolean {
    return [...this.#counts.keys()].some((kind) => FINDING_KINDS[kind] === severity);
  }

  /** By kind, the worst first. */
  counts(): Partial<Record<FindingKind, number>> {
    return Object.fromEntries(this.#kinds().map((kind) => [kind, this.count(kind)]));
  }

  /** Those that were kept, the worst first, at most MAX_KEPT_FINDINGS of a kind. */
  kept(): Finding[] {
    return this.#kinds().flatMap((kind) => this.#kept.get(kind)!);
  }

  #kinds(): FindingKind[] {
    return (Object.keys(FINDING_KINDS) as FindingKind[]).filter((kind) => this.#counts.has(kind));
  }
}
