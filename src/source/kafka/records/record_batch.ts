/**
 * Record batches as they lie in the log (https://kafka.apache.org/documentation/#recordbatch):
 *
 *     0 base offset i64 | 8 length i32 | 12 leader epoch i32 | 16 magic i8 | 17 crc32c u32 | 21 attributes i16 |
 *     23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64 |
 *     51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records, compressed or not
 *
 * A record: varints (zig-zag) of length, then attributes i8, timestamp delta, offset delta, key, value, headers.
 * The length at 8 counts from 12, the checksum covers everything from 21.
 */
import { Buffer } from "node:buffer";

/** What is common to all formats: base offset and length. */
export const LOG_OVERHEAD = 12;
export const MAGIC_OFFSET = 16;
export const BATCH_HEADER_BYTE_LENGTH = 61;

export interface BatchHeader {
  readonly baseOffset: number;
  /** Of the leader that took it. */
  readonly leaderEpoch: number;
  /** All of it, its first 12 bytes too. */
  readonly byteLength: number;
  readonly magic: number;
  readonly crc: number;
  readonly codec: number;
  /** Set when the broker stamped all records with this time. */
  readonly logAppendTime: number | undefined;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly lastOffset: number;
  readonly baseTimestamp: number;
  readonly producerId: bigint;
  readonly recordCount: number;
}

/** Reads the header of a version 2 batch at `start`; at least 61 bytes must be there. */
export function readBatchHeader(view: DataView, start: number): BatchHeader {
  const attributes = view.getInt16(start + 21);
  const baseOffset = Number(view.getBigInt64(start));
  return {
    baseOffset,
    leaderEpoch: view.getInt32(start + 12),
    byteLength: LOG_OVERHEAD + view.getInt32(start + 8),
    magic: view.getInt8(start + MAGIC_OFFSET),
    crc: view.getUint32(start + 17),
    codec: attributes & 7,
    logAppendTime: (attributes & 8) !== 0 ? Number(view.getBigInt64(start + 35)) : undefined,
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    lastOffset: baseOffset + view.getInt32(start + 23),
    baseTimestamp: Number(view.getBigInt64(start + 27)),
    producerId: view.getBigInt64(start + 43),
    recordCount: view.getInt32(start + 57),
  };
}

// The cursor of the reader below. Module variables, since a varint a field makes objects too expensive; everything that
// uses them runs to its end without a pause.
let input: Uint8Array = new Uint8Array(0);
let at = 0;

/** Bytes past the end read as 0: the caller compares `at` with the record's end. */
function varint(): number {
  let byte = input[at++];
  if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
  let value = byte & 127, factor = 128;
  do {
    byte = input[at++];
    value += (byte & 127) * factor;
    factor *= 128;
  } while (byte > 127);
  // Beyond 31 bits the bit operators don't reach.
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** Where the fields of the record are that was read last. */
export interface RecordFields {
  timestampDelta: number;
  offsetDelta: number;
  /** -1 for no key. */
  keyByteLength: number;
  keyStart: number;
  /** -1 for no value. */
  valueByteLength: number;
  valueStart: number;
  headersStart: number;
  /** The byte after the record. */
  end: number;
}

export function newRecordFields(): RecordFields {
  return {
    timestampDelta: 0,
    offsetDelta: 0,
    keyByteLength: -1,
    keyStart: 0,
    valueByteLength: -1,
    valueStart: 0,
    headersStart: 0,
    end: 0,
  };
}

/** Reads the record at `start` into `fields`. @throws RangeError when its lengths don't fit. */
export function readRecord(data: Uint8Array, start: number, fields: RecordFields): void {
  input = data;
  at = start;
  const byteLength = varint(), end = at + byteLength;
  at++; // attributes: none are in use
  fields.timestampDelta = varint();
  fields.offsetDelta = varint();
  fields.keyByteLength = varint();
  fields.keyStart = at;
  if (fields.keyByteLength > 0) at += fields.keyByteLength;
  fields.valueByteLength = varint();
  fields.valueStart = at;
  if (fields.valueByteLength > 0) at += fields.valueByteLength;
  fields.headersStart = at;
  fields.end = end;
  // Written so that NaN (bytes past the end) fails too.
  if (!(byteLength > 0 && at < end && end <= data.length)) {
    throw new RangeError(`record at byte ${start} of ${data.length} is damaged`);
  }
}

// Whatever bytes a text begins with, they are its own: the records that are sent on have them again.
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function headerValue(bytes: Uint8Array): string | { readonly base64: string } {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
  }
}

/**
 * The record's headers as the text of a JSON object; null when it has none. Values that are no text are base64.
 *
 * @throws RangeError when their lengths don't fit the record.
 */
export function readHeaders(data: Uint8Array, fields: RecordFields): string | null {
  input = data;
  at = fields.headersStart;
  const count = varint();
  if (count <= 0) return null;
  const members: string[] = [];
  for (let i = 0; i < count; i++) {
    const keyByteLength = varint(), keyStart = at;
    if (!(keyByteLength >= 0 && (at += keyByteLength) < fields.end)) throw new RangeError("its headers are damaged");
    const valueByteLength = varint(), valueStart = at;
    if (valueByteLength > 0) at += valueByteLength;
    if (!(at <= fields.end)) throw new RangeError("its headers are damaged");
    const key = decoder.decode(data.subarray(keyStart, keyStart + keyByteLength));
    const value = valueByteLength < 0 ? null : headerValue(data.subarray(valueStart, at));
    members.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  }
  return `{${members.join(",")}}`;
}
