import type { BytesColumn, RecordBatch } from "../records/record_batch.ts";
import type { Diversion, DivertedRecords } from "../records/diversion.ts";
import { splitParent } from "../records/position.ts";
import type { Clock } from "../runtime/clock.ts";

const DAY_MS = 86_400_000;

/** Byte strings one after the other, some of them missing. */
class Column {
  #bytes = new Uint8Array(0);
  #length = 0;
  #offsets: number[] = [0];
  #nullRows: number[] = [];

  get byteLength(): number {
    return this.#bytes.length;
  }

  add(source: Uint8Array, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length, 1024));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#length = needed;
    this.#offsets.push(needed);
  }

  addNull(): void {
    this.#nullRows.push(this.#offsets.length - 1);
    this.#offsets.push(this.#length);
  }

  addFrom(column: BytesColumn | null, index: number): void {
    const isNull = column === null || column.nulls !== null && (column.nulls[index >> 3] & (1 << (index & 7))) !== 0;
    if (isNull) this.addNull();
    else this.add(column.bytes, column.offsets[index], column.offsets[index + 1]);
  }

  finish(): BytesColumn {
    let nulls: Uint8Array | null = null;
    if (this.#nullRows.length > 0) {
      nulls = new Uint8Array(Math.ceil((this.#offsets.length - 1) / 8));
      for (const row of this.#nullRows) nulls[row >> 3] |= 1 << (row & 7);
    }
    return { bytes: this.#bytes.slice(0, this.#length), offsets: Uint32Array.from(this.#offsets), nulls };
  }
}

/**
 * Picks out records whose event day (UTC) is before today minus some days, or after today, and keeps them as they came:
 * the source sends them elsewhere. Records without an event time stay.
 */
export class Diverter {
  readonly #diversion: Diversion;
  readonly #clock: Clock;
  #fromMs = -Infinity;
  #untilMs = Infinity;
  #values = new Column();
  #keys = new Column();
  #headers = new Column();
  #timestamps: number[] = [];

  constructor(diversion: Diversion, clock: Clock) {
    this.#diversion = diversion;
    this.#clock = clock;
  }

  /** Bytes that the records hold. */
  get byteLength(): number {
    return this.#values.byteLength + this.#keys.byteLength + this.#headers.byteLength;
  }

  /** To be called before the records of a batch. */
  begin(batch: RecordBatch): void {
    // Records that stood inside of another one (Avro) would lose their schema on the way.
    const isExempt = splitParent(batch.split) === this.#diversion.exemptParent || batch.writerSchema !== undefined;
    const today = Math.floor(this.#clock.now() / DAY_MS) * DAY_MS;
    this.#fromMs = isExempt ? -Infinity : today - this.#diversion.outdatedDayIndex * DAY_MS;
    this.#untilMs = isExempt ? Infinity : today + DAY_MS;
  }

  /** `eventTime` in epoch ms, NaN when there is none. */
  isOutdated(eventTime: number): boolean {
    return eventTime < this.#fromMs || eventTime >= this.#untilMs;
  }

  add(batch: RecordBatch, index: number): void {
    this.#values.add(batch.bytes, batch.offsets[index], batch.offsets[index + 1]);
    this.#keys.addFrom(batch.keys, index);
    this.#headers.addFrom(batch.headers, index);
    this.#timestamps.push(batch.timestamps[index]);
  }

  /** What was picked out since the last reset; null when nothing was. */
  collected(): DivertedRecords | null {
    const rowCount = this.#timestamps.length;
    if (rowCount === 0) return null;
    return {
      rowCount,
      values: this.#values.finish(),
      keys: this.#keys.finish(),
      headers: this.#headers.finish(),
      timestamps: Float64Array.from(this.#timestamps),
    };
  }

  reset(): void {
    if (this.#timestamps.length === 0) return;
    this.#values = new Column();
    this.#keys = new Column();
    this.#headers = new Column();
    this.#timestamps = [];
  }
}
