import type { BytesColumn, PollLimit, RecordBatch } from "../../../records/record_batch.ts";
import type { Epoch, SplitId } from "../../../records/position.ts";

/** Most rows that room is made for at first: batches may say anything. */
const MAX_INITIAL_ROWS = 16_384;
const MAX_INITIAL_BYTE_LENGTH = 1 << 20;

/** Byte strings, some of them missing, one after the other. */
export class BytesColumnBuilder {
  #bytes = new Uint8Array(1024);
  #length = 0;
  readonly #ends: number[] = [0];
  readonly #nulls: number[] = [];

  append(bytes: Uint8Array | null): void {
    if (bytes === null) this.#nulls.push(this.#ends.length - 1);
    else {
      if (this.#length + bytes.length > this.#bytes.length) {
        this.#bytes = resized(this.#bytes, Math.max(this.#length + bytes.length, 2 * this.#bytes.length));
      }
      this.#bytes.set(bytes, this.#length);
      this.#length += bytes.length;
    }
    this.#ends.push(this.#length);
  }

  finish(): BytesColumn {
    let nulls: Uint8Array | null = null;
    if (this.#nulls.length > 0) {
      nulls = new Uint8Array(Math.ceil((this.#ends.length - 1) / 8));
      for (const row of this.#nulls) nulls[row >>> 3] |= 1 << (row & 7);
    }
    return { bytes: resized(this.#bytes, this.#length), offsets: Uint32Array.from(this.#ends), nulls };
  }
}

export interface BatchBuilderOptions {
  readonly limit: PollLimit;
  readonly wants: { readonly keys: boolean; readonly headers: boolean };
  /** Longer values are cut to one byte more than this. */
  readonly maxRecordByteLength: number;
}

/** Collects rows, values compact in one buffer, up to a limit. */
export class BatchBuilder {
  readonly keys: BytesColumnBuilder | null;
  readonly headers: BytesColumnBuilder | null;
  rowCount = 0;
  readonly #limit: PollLimit;
  readonly #maxValueByteLength: number;
  readonly #cutRows = new Map<number, number>();
  #bytes = new Uint8Array(0);
  #length = 0;
  #offsets = new Uint32Array(1);
  #timestamps = new Float64Array(0);
  /** Low and high half of each position: writing a BigInt64Array would make a bigint a row. */
  #positions = new Uint32Array(0);

  constructor({ limit, wants, maxRecordByteLength }: BatchBuilderOptions) {
    this.#limit = limit;
    this.#maxValueByteLength = maxRecordByteLength + 1;
    this.keys = wants.keys ? new BytesColumnBuilder() : null;
    this.headers = wants.headers ? new BytesColumnBuilder() : null;
  }

  /** Tells what is about to come, so that room is made once. */
  expect(rowCount: number, byteLength: number): void {
    const rows = this.rowCount + Math.min(rowCount, MAX_INITIAL_ROWS, this.#limit.maxRows);
    // Twice the room at least: many small batches would each copy all that came before them.
    if (rows > this.#timestamps.length) this.#growRows(Math.max(rows, 2 * this.#timestamps.length));
    const bytes = this.#length + Math.min(byteLength, MAX_INITIAL_BYTE_LENGTH, this.#limit.maxBytes);
    if (bytes > this.#bytes.length) {
      this.#growBytes(Math.max(bytes, Math.min(2 * this.#bytes.length, this.#limit.maxBytes)));
    }
  }

  /** Whether a value of this length still fits; the first one always does. */
  fits(byteLength: number): boolean {
    return this.rowCount === 0 ||
      !this.isFull && this.#length + Math.min(byteLength, this.#maxValueByteLength) <= this.#limit.maxBytes;
  }

  /** Whether nothing more fits, however small. */
  get isFull(): boolean {
    const { maxRows, maxBytes } = this.#limit;
    return this.rowCount > 0 && (this.rowCount >= maxRows || this.#length >= maxBytes);
  }

  /** The offset behind the last record's. */
  get nextOffset(): number {
    const last = 2 * this.rowCount - 2;
    return this.#positions[last] + this.#positions[last + 1] * 0x1_0000_0000 + 1;
  }

  /** Adds `data[start, end)`, received at `timestamp` (epoch ms; NaN or negative, as Kafka has it, for not known). */
  append(data: Uint8Array, start: number, end: number, timestamp: number, offset: number): void {
    const byteLength = Math.min(end - start, this.#maxValueByteLength), row = this.rowCount++;
    if (row === this.#timestamps.length) this.#growRows(Math.max(64, 2 * row));
    if (this.#length + byteLength > this.#bytes.length) {
      this.#growBytes(Math.max(this.#length + byteLength, 2 * this.#bytes.length));
    }
    if (byteLength < end - start) this.#cutRows.set(row, end - start);
    if (byteLength > 0) this.#bytes.set(data.subarray(start, start + byteLength), this.#length);
    this.#length += byteLength;
    this.#offsets[row + 1] = this.#length;
    this.#timestamps[row] = timestamp >= 0 ? timestamp : NaN;
    this.#positions[2 * row] = offset; // modulo 2^32
    this.#positions[2 * row + 1] = offset / 0x1_0000_0000;
  }

  /** The batch; the builder is done with. */
  finish(split: SplitId, epoch: Epoch, start: number, next: number): RecordBatch {
    const { rowCount } = this;
    // A quarter of slack travels with the batch; more than that costs more than the copy.
    const exact = this.#length < 0.75 * this.#bytes.length;
    return {
      split,
      epoch,
      start: String(start),
      next: String(next),
      rowCount,
      bytes: exact ? resized(this.#bytes, this.#length) : this.#bytes.subarray(0, this.#length),
      offsets: new Uint32Array(this.#offsets.buffer.transfer(4 * (rowCount + 1))),
      timestamps: new Float64Array(this.#timestamps.buffer.transfer(8 * rowCount)),
      positions: new BigInt64Array(this.#positions.buffer.transfer(8 * rowCount)),
      keys: this.keys?.finish() ?? null,
      headers: this.headers?.finish() ?? null,
      ...(this.#cutRows.size > 0 && { cutRows: this.#cutRows }),
    };
  }

  #growRows(rowCount: number): void {
    this.#offsets = new Uint32Array(this.#offsets.buffer.transfer(4 * (rowCount + 1)));
    this.#timestamps = new Float64Array(this.#timestamps.buffer.transfer(8 * rowCount));
    this.#positions = new Uint32Array(this.#positions.buffer.transfer(8 * rowCount));
  }

  #growBytes(byteLength: number): void {
    this.#bytes = resized(this.#bytes, byteLength);
  }
}

/** The same bytes in a buffer of this length; the old one is given back at once. */
function resized({ buffer }: Uint8Array<ArrayBuffer>, byteLength: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.transfer(byteLength));
}
