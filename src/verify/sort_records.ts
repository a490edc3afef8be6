/**
 * What is sorted outside of memory, as text: what it is sorted by, each part ended by a zero character, then the rest as JSON
 * (which has none).
 */
import type { Gap } from "../records/gap.ts";
import { comparePositions, type Position } from "../records/position.ts";
import type { Finding } from "./findings.ts";
import type { AuditedObject, AuditedRange } from "./parse_manifest.ts";

/** An object that a manifest lists. */
export interface ExpectedObject extends AuditedObject {
  /** Of the manifest that lists it. */
  readonly manifest: string;
  readonly isDeadLetters: boolean;
  /** Dead letters that a redrive made: once they are tried again themselves, they are deleted. */
  readonly isRemade: boolean;
  /** Dead letters: what is wrong where they were looked for first; null when they aren't there, or weren't looked for. */
  readonly wrong: Finding | null;
  /** When the records of its unit arrived, epoch ms; NaN when that isn't known. */
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
}

/** A stretch of a manifest's range: records that were read, or a gap between them. */
export interface ListedRange extends Omit<AuditedRange, "gaps"> {
  readonly manifest: string;
  /** Why nothing of it was read, and how many records that may be; null when it was read. */
  readonly gap: Pick<Gap, "reason" | "records"> | null;
  /** Whether the counts and times of the whole range stand here: with the last that was read. The others have none. */
  readonly counted: boolean;
}

const NO_COUNTS = { records: 0, rows: 0, deadLetters: 0, dropped: 0, minTimestamp: NaN, maxTimestamp: NaN };

/** What was read of a manifest's range, and what is lost, in order. */
export function stretchesOf({ gaps, ...range }: AuditedRange, manifest: string): ListedRange[] {
  const stretches: Pick<ListedRange, "start" | "next" | "gap">[] = [];
  let start = range.start;
  for (const { reason, records, ...gap } of gaps) {
    if (comparePositions(start, gap.start) < 0) stretches.push({ start, next: gap.start, gap: null });
    stretches.push({ ...gap, gap: { reason, records } });
    start = gap.next;
  }
  if (gaps.length === 0 || comparePositions(start, range.next) < 0) {
    stretches.push({ start, next: range.next, gap: null });
  }
  const lastRead = stretches.findLastIndex(({ gap }) => gap === null);
  return stretches.map((stretch, i) => {
    const counted = i === (lastRead < 0 ? stretches.length - 1 : lastRead);
    return { ...range, ...(counted ? {} : NO_COUNTS), ...stretch, manifest, counted };
  });
}

/** What a report of a replay says was read and stored. */
export interface Claim extends Pick<AuditedRange, "split" | "start" | "next"> {
  /** Its key. */
  readonly report: string;
}

/** Sorted by key, as listings are. */
export function encodeExpected({ key, ...rest }: ExpectedObject): string {
  return `${key}\0${
    JSON.stringify([
      ...[rest.manifest, rest.byteLength, rest.sha256, rest.rows, rest.rawByteLength],
      ...[rest.isDeadLetters, rest.isRemade, rest.wrong, rest.minTimestamp, rest.maxTimestamp], // JSON has null for NaN
    ])
  }`;
}

export function decodeExpected(record: Uint8Array): ExpectedObject {
  const [key, json] = decoder.decode(record).split("\0");
  const [manifest, byteLength, sha256, rows, rawByteLength, isDeadLetters, isRemade, wrong, min, max] = JSON.parse(
    json,
  );
  return {
    ...{ key, manifest, byteLength, sha256, rows, rawByteLength, isDeadLetters, isRemade, wrong },
    minTimestamp: min ?? NaN,
    maxTimestamp: max ?? NaN,
  };
}

/** Sorted by split, then by positions. */
export function encodeRange(range: ListedRange): string {
  const { split, start, next, manifest, records, rows, deadLetters, dropped, minTimestamp, maxTimestamp, log } = range;
  const counts = [records, rows, deadLetters, dropped, minTimestamp, maxTimestamp];
  const rest = [start, next, manifest, ...counts, range.gap, range.counted, log];
  return `${split}\0${sortablePosition(start)}\0${sortablePosition(next)}\0${JSON.stringify(rest)}`;
}

/** Sorted among the ranges. */
export function encodeClaim({ split, start, next, report }: Claim): string {
  return `${split}\0${sortablePosition(start)}\0${sortablePosition(next)}\0${JSON.stringify([start, next, report])}`;
}

export function decodeRange(record: Uint8Array): ListedRange | Claim {
  const [split, , , json] = decoder.decode(record).split("\0");
  const [start, next, key, ...counts] = JSON.parse(json);
  if (counts.length === 0) return { split, start, next, report: key };
  const manifest = key, [records, rows, deadLetters, dropped, min, max, gap, counted, log] = counts;
  return {
    ...{ split, start, next, manifest, records, rows, deadLetters, dropped, gap, counted, log },
    minTimestamp: min ?? NaN,
    maxTimestamp: max ?? NaN,
  };
}

const decoder = new TextDecoder();

/** A text whose order, byte by byte, is that of `comparePositions`: the digits of each part, behind how many there are. */
export function sortablePosition(position: Position): string {
  const parts = position.split(":").map((part) => part.replace(/^0+/, ""));
  while (parts.length > 0 && parts[parts.length - 1] === "") parts.pop(); // as if they weren't there
  return parts.map((part) => `${String(part.length).padStart(3, "0")}${part}`).join(":");
}
