/** The other direction of record_batch.ts: records to produce. */
import { crc32c } from "../../../codecs/crc32c.ts";
import { BATCH_HEADER_BYTE_LENGTH, LOG_OVERHEAD } from "./record_batch.ts";

export interface RecordToWrite {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  /** Epoch ms. */
  readonly timestamp: number;
}

export interface BatchToWrite {
  readonly records: readonly RecordToWrite[];
  readonly baseOffset?: bigint;
  /** The number of the codec, and its work. */
  readonly compression?: { readonly codec: number; compress(bytes: Uint8Array): Uint8Array };
  /** Beside the codec's bits: 16 transactional, 32 control. */
  readonly attributes?: number;
  readonly producerId?: bigint;
}

const encoder = new TextEncoder();

/** Bytes that grow, with the varints of records. */
class RecordBuffer {
  #bytes = new Uint8Array(1024);
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #reserve(byteLength: number): number {
    const at = this.length;
    this.length += byteLength;
    if (this.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }

  varint(value: number): void {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    while (rest > 127) {
      const at = this.#reserve(1);
      this.#bytes[at] = rest % 128 + 128;
      rest = Math.floor(rest / 128);
    }
    const at = this.#reserve(1);
    this.#bytes[at] = rest;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Its length first; -1 for null. */
  byteString(bytes: Uint8Array | null): void {
    this.varint(bytes === null ? -1 : bytes.length);
    if (bytes !== null) this.raw(bytes);
  }
}

function writeRecord(into: RecordBuffer, record: RecordToWrite, timestampDelta: number, offsetDelta: number): void {
  const body = new RecordBuffer();
  body.raw(Uint8Array.of(0));
  body.varint(timestampDelta);
  body.varint(offsetDelta);
  body.byteString(record.key);
  body.byteString(record.value);
  body.varint(record.headers.length);
  for (const { key, value } of record.headers) {
    body.byteString(encoder.encode(key));
    body.byteString(value);
  }
  into.varint(body.length);
  into.raw(body.bytes);
}

/** One batch with at least one record. */
export function writeRecordBatch(batch: BatchToWrite): Uint8Array<ArrayBuffer> {
  const { records } = batch, baseTimestamp = records[0].timestamp;
  const buffer = new RecordBuffer();
  records.forEach((record, i) => writeRecord(buffer, record, record.timestamp - baseTimestamp, i));
  const body = batch.compression?.compress(buffer.bytes) ?? buffer.bytes;
  const bytes = new Uint8Array(BATCH_HEADER_BYTE_LENGTH + body.length);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, batch.baseOffset ?? 0n);
  view.setInt32(8, bytes.length - LOG_OVERHEAD);
  view.setInt32(12, -1); // leader epoch
  view.setInt8(16, 2);
  view.setInt16(21, (batch.compression?.codec ?? 0) | (batch.attributes ?? 0));
  view.setInt32(23, records.length - 1);
  view.setBigInt64(27, BigInt(baseTimestamp));
  view.setBigInt64(35, BigInt(records.reduce((max, { timestamp }) => Math.max(max, timestamp), baseTimestamp)));
  view.setBigInt64(43, batch.producerId ?? -1n);
  view.setInt16(51, batch.producerId === undefined ? -1 : 0);
  view.setInt32(53, -1); // base sequence
  view.setInt32(57, records.length);
  bytes.set(body, BATCH_HEADER_BYTE_LENGTH);
  view.setUint32(17, crc32c(bytes, 21, bytes.length));
  return bytes;
}
