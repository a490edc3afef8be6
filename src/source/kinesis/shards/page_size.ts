/** The most that the service gives at a time. */
const MAX_RECORDS = 10_000;
/** What is asked for before anything is known of a shard's records: aggregates, of 50 kB mostly, stay below FIRST_BYTES. */
const FIRST_RECORDS = 10;
const MIN_BYTES = 64 << 10, FIRST_BYTES = 1 << 20;
/** A page has no more bytes. */
export const MAX_PAGE_BYTES = 10 << 20;

/** How many bytes a shard's next page may have, and so many records are asked for. Goes by the pages before. */
export class PageSize {
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  #expectedBytes: number;
  #recordLimit: number;

  constructor(maxRecords = MAX_RECORDS, maxBytes = MAX_PAGE_BYTES) {
    this.#maxRecords = maxRecords;
    this.#maxBytes = maxBytes;
    this.#expectedBytes = Math.min(maxBytes, FIRST_BYTES);
    this.#recordLimit = Math.min(maxRecords, FIRST_RECORDS);
  }

  get expectedBytes(): number {
    return this.#expectedBytes;
  }

  get recordLimit(): number {
    return this.#recordLimit;
  }

  /** Takes note of a page. */
  note(recordCount: number, byteLength: number): void {
    this.#expectedBytes = Math.min(this.#maxBytes, Math.max(MIN_BYTES, 2 * byteLength));
    if (recordCount === 0) return;
    const fitting = Math.floor(this.#expectedBytes * recordCount / Math.max(1, byteLength));
    this.#recordLimit = Math.max(1, Math.min(this.#maxRecords, fitting));
  }
}
