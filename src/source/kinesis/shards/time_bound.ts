import type { RecordsPage, StreamRecord } from "../aws/kinesis_api.ts";

/** A shard's records up to a moment: they end before the first one that arrived then or later. */
export class TimeBound {
  /** Exclusive, epoch ms. */
  readonly toMs: number;
  readonly #marginMs: number;

  /** @param marginMs how far behind the service's time a record may become readable. */
  constructor(toMs: number, marginMs: number) {
    this.toMs = toMs;
    this.#marginMs = marginMs;
  }

  /** Whether this record, and everything after it, is outside. One of which nobody knows when it came is inside. */
  isAt({ arrivalMs }: StreamRecord): boolean {
    return arrivalMs >= this.toMs;
  }

  /**
   * The page's records before the bound, and whether it is reached: by a record outside, or because a read that began
   * after the moment found the shard's tip.
   *
   * @param askedMs the service's time when the page was asked for, or earlier.
   */
  cut(page: RecordsPage, askedMs: number): { readonly records: readonly StreamRecord[]; readonly reached: boolean } {
    const { records, behindLatestMs } = page;
    const end = records.findIndex((record) => this.isAt(record));
    if (end >= 0) return { records: records.slice(0, end), reached: true };
    const atTip = records.length === 0 && behindLatestMs === 0;
    return { records, reached: atTip && askedMs >= this.toMs + this.#marginMs };
  }
}
