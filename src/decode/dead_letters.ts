import { type BytesColumn, originOf, positionText, type RecordBatch } from "../records/record_batch.ts";
import type { ByteAccount } from "../columnar/byte_account.ts";
import { ByteWriter } from "../columnar/byte_writer.ts";
import type { TableName } from "../columnar/types.ts";
import type { RejectionCode } from "../records/rejection.ts";

/** Rejected records as NDJSON lines, ready to be compressed. */
export interface DeadLetters {
  /** One line a record, each ended by a line feed. A view of the buffer's own bytes, valid until its reset. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rowCount: number;
  /** Rows by code. */
  readonly codes: Readonly<Record<string, number>>;
}

/** Why and from where a record was rejected. */
export interface DeadLetter {
  readonly batch: RecordBatch;
  /** The record's row in the batch. */
  readonly index: number;
  readonly code: RejectionCode;
  readonly message: string;
  /** The table, when it was known by then. */
  readonly table: TableName | null;
  /** False when the record can't be decoded again on its own: rows of it are written, or its place says what it is. */
  readonly redrivable: boolean;
}

/** A line of dead letters. */
export interface DeadLetterLine {
  /** Where the record was first read from. */
  readonly split: string;
  readonly position: string;
  /** Epoch ms. */
  readonly timestamp: number | null;
  /** Null when they were not known. */
  readonly project: string | null;
  readonly collection: string | null;
  readonly code: string;
  readonly message: string;
  /** As in RecordBatch, JSON; absent when there are none. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** As in RecordBatch; absent when the record says itself what it is. */
  readonly writerSchema?: string;
  readonly blockCodec?: string;
  /** Of the record, where its size is why it is here. */
  readonly byteLength?: number;
  /** Only ever true: the payload is the record's beginning. */
  readonly cut?: true;
  /** Only ever false; see DeadLetter. */
  readonly redrivable?: false;
  /** Base64; null when there is none, or nobody asked for it. */
  readonly key: string | null;
  /** The record as it came, base64; its beginning when it is cut. */
  readonly payload: string;
}

function isNull({ nulls }: BytesColumn, index: number): boolean {
  return nulls !== null && (nulls[index >> 3] & (1 << (index & 7))) !== 0;
}

/** Collects rejected records as lines (see DeadLetterLine), so that they can be fed again byte for byte. */
export class DeadLetterWriter {
  readonly #out = new ByteWriter();
  readonly #account: ByteAccount;
  #rowCount = 0;
  #codes: Record<string, number> = {};

  constructor(account: ByteAccount) {
    this.#account = account;
  }

  add({ batch, index, code, message, table, redrivable: wished }: DeadLetter): void {
    const out = this.#out;
    const before = out.bytes.length;
    const timestamp = batch.timestamps[index];
    const { keys, headers, writerSchema, blockCodec } = batch;
    const byteLength = batch.cutRows?.get(index), redrivable = wished && byteLength === undefined;
    const head: Omit<DeadLetterLine, "headers" | "key" | "payload"> = {
      split: originOf(batch),
      position: positionText(batch, index),
      timestamp: Number.isFinite(timestamp) ? timestamp : null,
      project: table?.project ?? null,
      collection: table?.collection ?? null,
      code,
      message,
      ...(writerSchema === undefined ? {} : { writerSchema }),
      ...(blockCodec === undefined ? {} : { blockCodec }),
      ...(code === "too-large" && { byteLength: batch.offsets[index + 1] - batch.offsets[index] }),
      ...(byteLength !== undefined && { byteLength, cut: true }),
      ...(redrivable ? {} : { redrivable }),
    };
    out.text(JSON.stringify(head).slice(0, -1));
    if (headers !== null && !isNull(headers, index)) {
      out.text(',"headers":');
      out.text(new TextDecoder().decode(headers.bytes.subarray(headers.offsets[index], headers.offsets[index + 1])));
    }
    out.text(',"key":');
    if (keys === null || isNull(keys, index)) out.text("null");
    else this.#base64(keys.bytes, keys.offsets[index], keys.offsets[index + 1]);
    out.text(',"payload":');
    this.#base64(batch.bytes, batch.offsets[index], batch.offsets[index + 1]);
    out.text("}\n");
    this.#account.byteLength += out.bytes.length - before;
    this.#rowCount++;
    this.#codes[code] = (this.#codes[code] ?? 0) + 1;
  }

  /** What was collected since the last reset; null when nothing was. */
  collected(): DeadLetters | null {
    if (this.#rowCount === 0) return null;
    return {
      bytes: this.#out.bytes.subarray(0, this.#out.length) as Uint8Array<ArrayBuffer>,
      rowCount: this.#rowCount,
      codes: this.#codes,
    };
  }

  /** Forgets everything and gives the memory back. */
  reset(): void {
    this.#account.byteLength -= this.#out.bytes.length;
    this.#out.bytes = new Uint8Array(0);
    this.#out.length = 0;
    this.#rowCount = 0;
    this.#codes = {};
  }

  #base64(bytes: Uint8Array, start: number, end: number): void {
    this.#out.byte(0x22);
    this.#out.base64(bytes, start, end);
    this.#out.byte(0x22);
  }
}
