import { Buffer } from "node:buffer";
import type { DeadLetterLine } from "../decode/dead_letters.ts";
import { type BytesColumn, emptyBatch, type RecordBatch } from "../records/record_batch.ts";
import { RANGE_EPOCH } from "../records/range.ts";
import type { Position } from "../records/position.ts";

/** Lines of an object with dead letters, and where they are in it. */
export interface LetterLines {
  readonly split: string;
  /** Positions [start, next) in the object. */
  readonly start: Position;
  readonly next: Position;
  /** In order; those that can't be decoded again are null. Length of `positions`. */
  readonly letters: readonly (DeadLetterLine | null)[];
  /** Of the lines in the object. */
  readonly positions: readonly Position[];
}

/** The letter, or null when the line is none, or its record can't be decoded again on its own. */
export function parseLetter(line: string): DeadLetterLine | null {
  let letter: Partial<DeadLetterLine>;
  try {
    letter = JSON.parse(line) ?? {};
  } catch {
    return null; // cut off where the record was too large
  }
  const { split, position, payload, redrivable, code, byteLength } = letter;
  // Of records that were too large, collectors that didn't say their length kept half.
  const isWhole = redrivable !== false && (code !== "too-large" || byteLength !== undefined);
  const usable = isWhole && [split, position, payload].every((field) => typeof field === "string");
  return usable ? letter as DeadLetterLine : null;
}

/** A column of byte strings. */
function column(values: readonly (Uint8Array | null)[]): BytesColumn {
  const offsets = new Uint32Array(values.length + 1);
  values.forEach((value, i) => offsets[i + 1] = offsets[i] + (value?.length ?? 0));
  const bytes = new Uint8Array(offsets[values.length]);
  let nulls: Uint8Array | null = null;
  values.forEach((value, i) => {
    if (value !== null) return bytes.set(value, offsets[i]);
    nulls ??= new Uint8Array((values.length + 7) >> 3);
    nulls[i >> 3] |= 1 << (i & 7);
  });
  return { bytes, offsets, nulls };
}

const utf8 = new TextEncoder();

function batchOf(
  letters: readonly DeadLetterLine[],
  range: Pick<RecordBatch, "split" | "start" | "next">,
): RecordBatch {
  const { bytes, offsets } = column(letters.map(({ payload }) => Buffer.from(payload, "base64")));
  const { split, writerSchema, blockCodec } = letters[0];
  return {
    ...range,
    origin: split,
    epoch: RANGE_EPOCH,
    rowCount: letters.length,
    bytes,
    offsets,
    timestamps: Float64Array.from(letters, ({ timestamp }) => timestamp ?? NaN),
    positions: isNumber(letters[0].position)
      ? BigInt64Array.from(letters, ({ position }) => BigInt(position))
      : column(letters.map(({ position }) => utf8.encode(position))),
    keys: column(letters.map(({ key }) => key === null ? null : Buffer.from(key, "base64"))),
    headers: column(letters.map(({ headers }) => headers === undefined ? null : utf8.encode(JSON.stringify(headers)))),
    ...(writerSchema === undefined ? {} : { writerSchema }),
    ...(blockCodec === undefined ? {} : { blockCodec }),
  };
}

/** Whether the source gave positions as numbers: rows may have them in a column. */
function isNumber(position: Position): boolean {
  return /^\d{1,18}$/.test(position);
}

function areAlike(a: DeadLetterLine, b: DeadLetterLine): boolean {
  return isNumber(a.position) === isNumber(b.position) && a.split === b.split && a.writerSchema === b.writerSchema &&
    a.blockCodec === b.blockCodec;
}

/**
 * The records as they were first read: a batch for each run of letters with the same origin and schema. Together they
 * cover the lines without a gap; lines that can't be decoded again are only covered.
 *
 * @param alone every record in a batch of its own: a batch is divided where records name files.
 */
export function letterBatches(lines: LetterLines, { alone }: { alone: boolean }): RecordBatch[] {
  const { split, letters, positions } = lines;
  const runs: { at: number; letters: DeadLetterLine[] }[] = [];
  letters.forEach((letter, i) => {
    if (letter === null) return;
    const run = runs.at(-1);
    if (run !== undefined && !alone && areAlike(run.letters[0], letter)) run.letters.push(letter);
    else runs.push({ at: i, letters: [letter] });
  });
  if (runs.length === 0) runs.push({ at: 0, letters: [] });
  return runs.map((run, i) => {
    const start = i === 0 ? lines.start : positions[run.at];
    const next = i + 1 < runs.length ? positions[runs[i + 1].at] : lines.next;
    return run.letters.length === 0 ? emptyBatch(split, start, next) : batchOf(run.letters, { split, start, next });
  });
}
