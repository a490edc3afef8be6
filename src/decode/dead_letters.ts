import type { ByteAccount } from "../columnar/byte_account.ts";
import { ByteWriter } from "../columnar/byte_writer.ts";
import type { TableName } from "../columnar/types.ts";
import type { RecordBatch } from "../source/source.ts";
import type { RejectionCode } from "./rejection.ts";

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
}

/** The place of a record of a batch, as text. */
export function positionText({ positions }: RecordBatch, index: number): string {
  if (positions instanceof BigInt64Array) return String(positions[index]);
  return new TextDecoder().decode(positions.bytes.subarray(positions.offsets[index], positions.offsets[index + 1]));
}

/**
 * Collects rejected records as lines of
 * `{"split","position","timestamp","project","collection","code","message","key","payload"}`: timestamp in epoch ms or
 * null, project and collection null when unknown, key (null when there is none) and payload in base64, so that the record
 * can be fed again byte for byte.
 */
export class DeadLetterWriter {
  readonly #out = new ByteWriter();
  readonly #account: ByteAccount;
  #rowCount = 0;
  #codes: Record<string, number> = {};

  constructor(account: ByteAccount) {
    this.#account = account;
  }

  add({ batch, index, code, message, table }: DeadLetter): void {
    const out = this.#out;
    const before = out.bytes.length;
    const timestamp = batch.timestamps[index];
    const head = {
      split: batch.split,
      position: positionText(batch, index),
      timestamp: Number.isFinite(timestamp) ? timestamp : null,
      project: table?.project ?? null,
      collection: table?.collection ?? null,
      code,
      message,
    };
    out.text(JSON.stringify(head).slice(0, -1));
    out.text(',"key":');
    const keys = batch.keys;
    const isKeyNull = keys === null || (keys.nulls !== null && (keys.nulls[index >> 3] & (1 << (index & 7))) !== 0);
    if (isKeyNull) out.text("null");
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
