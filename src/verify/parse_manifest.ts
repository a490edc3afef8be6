import { type Gap, GAP_REASONS } from "../records/gap.ts";
import { parseSealed } from "../runtime/sealed_json.ts";
import { MANIFEST_FIELDS } from "../target/manifest.ts";
import { comparePositions, type Position } from "../records/position.ts";

/** A range of a manifest, as far as an audit needs it. */
export interface AuditedRange {
  readonly split: string;
  readonly start: Position;
  readonly next: Position;
  /** "" when the manifest doesn't say. */
  readonly log: string;
  readonly records: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** All reasons together. */
  readonly dropped: number;
  /** Epoch ms; NaN when the manifest doesn't know. */
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
  /** What of it is lost, in order; mostly empty. */
  readonly gaps: readonly Gap[];
}

/** An object of a manifest. */
export interface AuditedObject {
  readonly key: string;
  readonly byteLength: number;
  /** Hex. */
  readonly sha256: string;
  /** Lines: rows, or dead letters. */
  readonly rows: number;
  /** Bytes before compression; null where the manifest doesn't say (dead letters). */
  readonly rawByteLength: number | null;
}

export interface AuditedManifest {
  readonly ranges: readonly AuditedRange[];
  readonly objects: readonly AuditedObject[];
  readonly deadLetters: AuditedObject | null;
  /** What of the manifest's numbers can't be; null when they agree. */
  readonly contradiction: string | null;
}

/** The manifest, or the report of a replay, can't be used. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  /** True when a later version of the collector wrote it. */
  readonly newer: boolean;

  constructor(message: string, options: ErrorOptions & { newer?: boolean } = {}) {
    super(message, options);
    this.newer = options.newer ?? false;
  }
}

/** Of the manifests and the reports that this collector writes and understands. */
const VERSION = 1;
const POSITION = /^\d{1,900}(:\d{1,900}){0,7}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** What JSON has between braces; nothing of it is checked. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a manifest and checks everything of it that is used.
 *
 * @throws ManifestError that says what is wrong.
 */
export function parseManifest(bytes: Uint8Array): AuditedManifest {
  const root = parseJson(bytes, MANIFEST_FIELDS);
  const ranges = list(root.ranges, "ranges").map(readRange);
  if (ranges.length === 0) throw new ManifestError("it has no ranges");
  const objects = list(root.objects, "objects").map((object) => {
    return readObject(object, count(object.rows, "rows"), count(object.rawByteLength, "rawByteLength"));
  });
  const letters = root.deadLetters === null ? null : objectOf(root.deadLetters, "deadLetters");
  const deadLetters = letters === null ? null : readObject(letters, count(letters.records, "records"), null);
  return { ranges, objects, deadLetters, contradiction: contradictionOf(ranges, objects, deadLetters) };
}

/**
 * An object that this version, or an earlier one, has written, without its checksum.
 *
 * @param fields of those without one.
 * @throws ManifestError that says what is wrong.
 */
export function parseJson(bytes: Uint8Array, fields: readonly string[]): Json {
  let root: Json;
  try {
    root = parseSealed(new TextDecoder("utf-8", { fatal: true }).decode(bytes), fields);
  } catch (error) {
    const { message } = error as Error, unfit = error instanceof SyntaxError || message.includes("utf-8");
    throw new ManifestError(unfit ? `it is no JSON: ${message}` : message, { cause: error });
  }
  const { version } = root;
  if (typeof version === "number" && version > VERSION) {
    const message = `it has version ${version}, this collector knows ${VERSION}: update the collector`;
    throw new ManifestError(message, { newer: true });
  }
  if (version !== VERSION) throw new ManifestError("it has no version");
  return root;
}

/** The positions [start, next) of a split. @throws ManifestError when they can't be. */
export function readStretch(range: Json): Pick<AuditedRange, "split" | "start" | "next"> {
  return { split: text(range.split, "split"), ...readPositions(range) };
}

function readPositions(range: Json): Pick<AuditedRange, "start" | "next"> {
  const start = position(range.start, "start"), next = position(range.next, "next");
  if (comparePositions(start, next) > 0) throw new ManifestError(`a range ends before it begins, at ${start}`);
  return { start, next };
}

function readRange(range: Json): AuditedRange {
  return {
    ...readStretch(range),
    log: range.log === undefined ? "" : text(range.log, "log"),
    records: count(range.records, "records"),
    rows: count(range.rows, "rows"),
    deadLetters: count(range.deadLetters, "deadLetters"),
    dropped: Object.values(objectOf(range.dropped, "dropped")).reduce<number>((sum, n) => sum + count(n, "dropped"), 0),
    minTimestamp: time(range.minTimestamp, "minTimestamp"),
    maxTimestamp: time(range.maxTimestamp, "maxTimestamp"),
    gaps: range.gaps === undefined ? [] : list(range.gaps, "gaps").map(readGap),
  };
}

function readGap(gap: Json): Gap {
  const reason = GAP_REASONS.find((reason) => reason === gap.reason);
  if (reason === undefined) throw new ManifestError("a gap has no reason that this collector knows");
  const records = gap.records === null ? null : count(gap.records, "records");
  return { reason, ...readPositions(gap), records };
}

function readObject(object: Json, rows: number, rawByteLength: number | null): AuditedObject {
  const sha256 = text(object.sha256, "sha256");
  if (!SHA256.test(sha256)) throw new ManifestError("a sha256 isn't one");
  const key = text(object.key, "key");
  return { key, byteLength: count(object.byteLength, "byteLength"), sha256, rows, rawByteLength };
}

/** records = rows + dead letters + dropped, by range; rows and dead letters are those of the objects. */
function contradictionOf(
  ranges: readonly AuditedRange[],
  objects: readonly AuditedObject[],
  deadLetters: AuditedObject | null,
): string | null {
  for (const { split, records, rows, deadLetters, dropped } of ranges) {
    if (records === rows + deadLetters + dropped) continue;
    return `${records} records of ${split} became ${rows} rows, ${deadLetters} dead letters and ${dropped} dropped ones`;
  }
  const rows = sum(ranges, "rows"), stored = sum(objects, "rows");
  if (rows !== stored) return `its ranges have ${rows} rows, its objects ${stored}`;
  const letters = sum(ranges, "deadLetters"), kept = deadLetters?.rows ?? 0;
  return letters === kept ? null : `its ranges have ${letters} dead letters, its object of them ${kept}`;
}

function sum<Name extends string>(items: readonly Readonly<Record<Name, number>>[], name: Name): number {
  return items.reduce((total, item) => total + item[name], 0);
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new ManifestError(`${name} isn't an object`);
}

/** @throws ManifestError when it is no list of objects. */
export function list(value: unknown, name: string): Json[] {
  if (!Array.isArray(value)) throw new ManifestError(`${name} isn't a list`);
  return value.map((item) => objectOf(item, `one of ${name}`));
}

function text(value: unknown, name: string): string {
  // Zero characters would pass for the ends of names where records are sorted.
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  throw new ManifestError(`${name} isn't a text`);
}

function count(value: unknown, name: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ManifestError(`${name} isn't a count`);
}

function position(value: unknown, name: string): Position {
  if (typeof value === "string" && POSITION.test(value)) return value;
  throw new ManifestError(`${name} isn't a position`);
}

function time(value: unknown, name: string): number {
  if (value === undefined || value === null) return NaN;
  const ms = typeof value === "string" ? Date.parse(value) : NaN;
  if (Number.isNaN(ms)) throw new ManifestError(`${name} isn't a time`);
  return ms;
}
