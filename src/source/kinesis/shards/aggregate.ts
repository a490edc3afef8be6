/**
 * KPL aggregates (awslabs/amazon-kinesis-producer, aggregation-format.md):
 *
 *     F3 89 9A C2 | protobuf AggregatedRecord | MD5 of the message (16 bytes)
 *
 *     AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
 *                        repeated Record records = 3 }
 *     Record           { uint64 partition_key_index = 1; uint64 explicit_hash_key_index = 2; bytes data = 3; tags = 4 }
 *
 * A record with another digest is a plain one. A user record that can't be read stands for itself, as the bytes of its
 * message, so that it ends among the dead letters; when the message around them can't be read, the record stays whole.
 */
import { createHash } from "node:crypto";

const DIGEST_LENGTH = 16;
const HEADER_LENGTH = 4;

/** The user records of an aggregate, as places in the record's bytes. */
export interface Aggregate {
  /** User record i is `[starts[i], ends[i])`. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Index of its partition key in `keyStarts`; -1 when there is none. */
  readonly keyIndexes: readonly number[];
  readonly keyStarts: readonly number[];
  readonly keyEnds: readonly number[];
  /** How many of the user records can't be read. */
  readonly broken: number;
}

/** Null when the record is plain; "broken" when it is an aggregate whose message can't be read. */
export function readAggregate(bytes: Uint8Array): Aggregate | "broken" | null {
  if (bytes.length < HEADER_LENGTH + DIGEST_LENGTH) return null;
  if (bytes[0] !== 0xf3 || bytes[1] !== 0x89 || bytes[2] !== 0x9a || bytes[3] !== 0xc2) return null;
  const end = bytes.length - DIGEST_LENGTH;
  const digest = createHash("md5").update(bytes.subarray(HEADER_LENGTH, end)).digest();
  for (let i = 0; i < DIGEST_LENGTH; i++) if (bytes[end + i] !== digest[i]) return null;
  return readMessage(bytes, HEADER_LENGTH, end) ?? "broken";
}

function readMessage(bytes: Uint8Array, start: number, end: number): Aggregate | null {
  const starts: number[] = [], ends: number[] = [], keyIndexes: number[] = [];
  const keyStarts: number[] = [], keyEnds: number[] = [];
  let broken = 0;
  const reader = new FieldReader(bytes, start, end);
  while (reader.next()) {
    if (reader.wireType !== 2) continue;
    if (reader.field === 1) {
      keyStarts.push(reader.start);
      keyEnds.push(reader.end);
    } else if (reader.field === 3) {
      const user = readUserRecord(bytes, reader.start, reader.end);
      if (user === null) broken++;
      starts.push(user?.start ?? reader.start);
      ends.push(user?.end ?? reader.end);
      keyIndexes.push(user?.keyIndex ?? -1);
    }
  }
  if (reader.failed) return null;
  return { starts, ends, keyIndexes, keyStarts, keyEnds, broken };
}

function readUserRecord(bytes: Uint8Array, start: number, end: number) {
  const reader = new FieldReader(bytes, start, end);
  let dataStart = -1, dataEnd = -1, keyIndex = -1;
  while (reader.next()) {
    if (reader.field === 3 && reader.wireType === 2) {
      dataStart = reader.start;
      dataEnd = reader.end;
    } else if (reader.field === 1 && reader.wireType === 0) keyIndex = reader.value;
  }
  return reader.failed || dataStart < 0 ? null : { start: dataStart, end: dataEnd, keyIndex };
}

/** Walks the fields of a message. `next` is false at the end, and at what can't be read (then `failed` is true). */
class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #limit: number;
  #at: number;
  failed = false;
  field = 0;
  wireType = 0;
  /** Of a varint; inexact above 2^53. */
  value = 0;
  /** The contents of a length-delimited field. */
  start = 0;
  end = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#limit = end;
  }

  next(): boolean {
    if (this.#at >= this.#limit || this.failed) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) this.failed = true;
    if (this.wireType === 0) this.value = this.#varint();
    else if (this.wireType === 1) this.#at += 8;
    else if (this.wireType === 5) this.#at += 4;
    else if (this.wireType === 2) {
      const length = this.#varint();
      this.start = this.#at;
      this.end = this.#at += length;
    } else this.failed = true;
    if (this.#at > this.#limit) this.failed = true;
    return !this.failed;
  }

  #varint(): number {
    let value = 0, scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#limit) break;
      const byte = this.#bytes[this.#at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    this.failed = true;
    return 0;
  }
}
