/**
 * The manifest of a unit: what was read, what was written, what became of the rest. It is stored before the positions
 * are committed, so every committed position stands in a manifest; an audit compares manifests and never has to trust
 * a listing. It depends on the unit alone (no clock), so writing it again writes the same bytes, but for the epochs.
 */
import type { Gap } from "../records/gap.ts";
import { newCounts, type RunningCounts } from "../records/split_counts.ts";
import type { FlushTrigger, SealedUnit } from "../pipeline/unit.ts";

export interface ManifestRange {
  readonly split: string;
  /** Decimal. */
  readonly epoch: string;
  /** Positions [start, next). */
  readonly start: string;
  readonly next: string;
  /** Which log of the split's name it was; absent where the name says it, and in manifests of earlier collectors. */
  readonly log?: string;
  /** records = rows + deadLetters + the sum of dropped. */
  readonly records: number;
  readonly recordBytes: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /**
   * The earliest and the latest time at which the source received one of the records, rows or not, ISO 8601 in UTC; null
   * when it knows of none. Absent in manifests of earlier collectors.
   */
  readonly minTimestamp: string | null;
  readonly maxTimestamp: string | null;
  /** What of the range is lost, in order; absent when nothing is. May reach beyond `next` where records may come back. */
  readonly gaps?: readonly Gap[];
}

export interface ManifestObject {
  /** Relative to the target's root. */
  readonly key: string;
  readonly byteLength: number;
  /** Before compression. */
  readonly rawByteLength: number;
  /** Of the object as stored, hex. */
  readonly sha256: string;
  readonly rows: number;
  /** Event times of the rows, ISO 8601 in UTC; null when no row has one. */
  readonly minEventTime: string | null;
  readonly maxEventTime: string | null;
  readonly tables: readonly {
    readonly project: string;
    readonly collection: string;
    readonly rows: number;
    /** Those without an event time; absent when all have one. */
    readonly rowsWithoutTime?: number;
  }[];
}

export interface ManifestDeadLetters {
  readonly key: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly records: number;
  /** By error code. */
  readonly codes: Readonly<Record<string, number>>;
}

/** Of a manifest; with its checksum it has one more, see runtime/sealed_json.ts. */
export const MANIFEST_FIELDS = ["version", "unit", "trigger", "ranges", "objects", "deadLetters"];

export interface Manifest {
  readonly version: 1;
  readonly unit: string;
  readonly trigger: FlushTrigger;
  readonly ranges: readonly ManifestRange[];
  readonly objects: readonly ManifestObject[];
  readonly deadLetters: ManifestDeadLetters | null;
}

/** Adds up two sets of counts by name. */
export function addCounts(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}

/** Each range of the unit with what its seals counted for the split. */
export function manifestRanges(unit: SealedUnit): ManifestRange[] {
  const totals = new Map<string, RunningCounts>();
  for (const { counts } of unit.outputs) {
    for (const { split, dropped, ...numbers } of counts) {
      const total = totals.get(split);
      if (total === undefined) {
        totals.set(split, { ...numbers, dropped: { ...dropped } });
        continue;
      }
      total.records += numbers.records;
      total.recordBytes += numbers.recordBytes;
      total.rows += numbers.rows;
      total.deadLetters += numbers.deadLetters;
      addCounts(total.dropped, dropped);
      total.minTimestamp = earlier(total.minTimestamp, numbers.minTimestamp);
      total.maxTimestamp = -earlier(-total.maxTimestamp, -numbers.maxTimestamp);
    }
  }
  return unit.ranges.map(({ split, epoch, start, next, log, gaps }) => {
    const { minTimestamp, maxTimestamp, ...counts } = totals.get(split) ?? newCounts();
    return {
      split,
      epoch: epoch.toString(),
      start,
      next,
      ...(log !== undefined && { log }),
      ...counts,
      minTimestamp: isoOrNull(minTimestamp),
      maxTimestamp: isoOrNull(maxTimestamp),
      ...(gaps && { gaps }),
    };
  });
}

/** The lesser of two numbers, either of which may be NaN for unknown. */
function earlier(a: number, b: number): number {
  return Number.isNaN(a) || b < a ? b : a;
}

/** Epoch ms -> ISO 8601 in UTC; null for NaN and for times that a Date can't hold. */
export function isoOrNull(epochMs: number): string | null {
  return Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : null;
}
