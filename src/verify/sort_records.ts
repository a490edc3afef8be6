/**
 * What is sorted outside of memory, as text: what it is sorted by, each part ended by a zero character, then the rest as JSON
 * (which has none).
 */
import type { Position } from "../records/position.ts";
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

/** A range, and the manifest that has it. */
export interface ListedRange extends AuditedRange {
  readonly manifest: string;
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
  const { split, start, next, manifest, records, rows, deadLetters, dropped, minTimestamp, maxTimestamp } = range;
  const rest = [start, next, manifest, records, rows, deadLetters, dropped, minTimestamp, maxTimestamp];
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
  const manifest = key, [records, rows, deadLetters, dropped, min, max] = counts;
  return {
    ...{ split, start, next, manifest, records, rows, deadLetters, dropped },
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
