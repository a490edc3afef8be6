import type { Position } from "./position.ts";

/** Why nothing of a stretch was read: a closed set, used in batches, manifests and audits. */
export const GAP_REASONS = [
  /** The source no longer had it when its turn came: retention, a deleted file, a log that was cut. */
  "expired",
  /** It was left out by a setting, or because it can't be read. */
  "skipped",
] as const;

export type GapReason = typeof GAP_REASONS[number];

/** Positions [start, next) of a split that count as read although nothing of them was: their records are lost. */
export interface Gap {
  readonly reason: GapReason;
  readonly start: Position;
  readonly next: Position;
  /** How many records it had at the most; null when nobody knows, or whether it had any. */
  readonly records: number | null;
}

/** Gaps of a range that are told apart; behind those, the last one takes in the others and what is between them. */
const MAX_GAPS = 100;

/** Adds a gap behind others of the same split. */
export function addGap(gaps: Gap[], gap: Gap): void {
  const last = gaps.at(-1);
  const joins = last !== undefined && last.reason === gap.reason && last.next === gap.start;
  if (last === undefined || !joins && gaps.length < MAX_GAPS) return void gaps.push(gap);
  const records = last.records === null || gap.records === null ? null : last.records + gap.records;
  gaps[gaps.length - 1] = { ...last, next: gap.next, records };
}
