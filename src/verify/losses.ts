import type { AuditedRange } from "./parse_manifest.ts";

export const HOUR_MS = 3_600_000;

/** A unit whose records arrived over a longer time counts as one of which nobody knows when they did. */
const MAX_SPAN_HOURS = 366 * 24;

/** When records arrived, epoch ms; NaN when it isn't known of all of them. */
export interface ArrivalSpan {
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
}

/** Of the records of all ranges together. */
export function spanOf(ranges: readonly AuditedRange[]): ArrivalSpan {
  let minTimestamp = Infinity, maxTimestamp = -Infinity;
  for (const range of ranges) {
    if (range.records === 0) continue;
    minTimestamp = Math.min(minTimestamp, range.minTimestamp); // NaN stays NaN
    maxTimestamp = Math.max(maxTimestamp, range.maxTimestamp);
  }
  return minTimestamp <= maxTimestamp ? { minTimestamp, maxTimestamp } : { minTimestamp: NaN, maxTimestamp: NaN };
}

/** Hours of arrival of which something is missing or damaged. */
export class Losses {
  /** Hours since the epoch. */
  readonly #hours = new Set<number>();
  #anyHour = false;

  /** Something is lost of which nobody knows when it arrived. */
  addUnknown(): void {
    this.#anyHour = true;
  }

  add({ minTimestamp, maxTimestamp }: ArrivalSpan): void {
    const first = Math.floor(minTimestamp / HOUR_MS), last = Math.floor(maxTimestamp / HOUR_MS);
    if (!(last - first <= MAX_SPAN_HOURS)) return this.addUnknown();
    for (let hour = first; hour <= last; hour++) this.#hours.add(hour);
  }

  /** Whether something may be lost that arrived in this hour (hours since the epoch). */
  has(hour: number): boolean {
    return this.#anyHour || this.#hours.has(hour);
  }
}
