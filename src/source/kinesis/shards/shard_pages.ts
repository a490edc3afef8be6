import type { Clock } from "../../../runtime/clock.ts";
import { compareDecimals } from "../leases/checkpoint.ts";
import type { IteratorPlace, KinesisApi, RecordsPage } from "../aws/kinesis_api.ts";

/** Iterators live for 300 s; one this old is not tried. */
const ITERATOR_MAX_AGE_MS = 280_000;

/** A page, and whether the record that it was to begin at has left the stream. */
export interface ReadPage extends RecordsPage {
  readonly skipped: boolean;
}

/** A shard's pages by GetRecords, one after the other, through iterators that grow old. */
export class ShardPages {
  readonly #api: KinesisApi;
  readonly #shard: string;
  readonly #clock: Clock;
  #iterator: { readonly text: string; readonly gotMs: number } | undefined;
  /** Where the iterator began, while nothing has come from there yet. */
  #begun: IteratorPlace | undefined;

  constructor(api: KinesisApi, shard: string, clock: Clock) {
    this.#api = api;
    this.#shard = shard;
    this.#clock = clock;
  }

  /** The next page; from `place` on when there is no iterator, or when it is too old. */
  async next(place: IteratorPlace, limit: number | undefined, signal: AbortSignal): Promise<ReadPage> {
    if (this.#iterator === undefined || this.#clock.monotonicMs() - this.#iterator.gotMs > ITERATOR_MAX_AGE_MS) {
      const text = await this.#api.getIterator(this.#shard, place, signal);
      this.#iterator = { text, gotMs: this.#clock.monotonicMs() };
      this.#begun = place;
    }
    const page = await this.#api.getRecords(this.#iterator.text, limit, signal);
    const { nextIterator } = page;
    this.#iterator = nextIterator === undefined ? undefined : { text: nextIterator, gotMs: this.#clock.monotonicMs() };
    return { ...page, skipped: this.#skipped(page) };
  }

  /** The iterator has expired: the next page comes from its place on. */
  restart(): void {
    this.#iterator = undefined;
  }

  #skipped({ records }: RecordsPage): boolean {
    const begun = this.#begun;
    if (records.length > 0) this.#begun = undefined;
    return begun !== undefined && isBehindGap(begun, records);
  }
}

/** Whether the record that was to come first has left the stream, maybe with others after it. */
export function isBehindGap(begun: IteratorPlace, records: RecordsPage["records"]): boolean {
  return begun.type === "AT_SEQUENCE_NUMBER" && records.length > 0 &&
    compareDecimals(records[0].sequence, begun.sequence) > 0;
}
