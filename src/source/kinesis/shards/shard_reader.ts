/**
 * Reads one shard in the background, a little ahead of the polls.
 *
 *     wait for room --> wait for its turn (5 calls/s, 2 MB/s, pauses) --> GetRecords --> chunk --> take() --> batches
 *          ^                                                                |
 *          +--------------------- iterator, new when it expired ------------+--> no next iterator: the end
 *
 * Iterators live for 5 minutes; a reader that waited longer starts anew where its last chunk ended. With enhanced
 * fan-out the service pushes: a subscription takes the place of the calls, and is asked for its next page when there is room.
 */
import type { ByteBudget } from "../../../runtime/byte_budget.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Epoch, Position, SplitId } from "../../../records/position.ts";
import type { PollLimit, RecordBatch } from "../../../records/record_batch.ts";
import { recordAt, sentinelAt } from "../leases/checkpoint.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  type RecordsPage,
  ShardGoneError,
} from "../aws/kinesis_api.ts";
import { PageSize } from "./page_size.ts";
import { ReadFailures } from "./read_failures.ts";
import { RecordChunk } from "./record_chunk.ts";
import { isBehindGap, ShardPages } from "./shard_pages.ts";
import { pushedPages } from "./subscription.ts";
import type { TimeBound } from "./time_bound.ts";
import { WaitingChunks } from "./waiting_chunks.ts";

/** By what right a shard is read: a lease, or a range that is nobody else's. */
export interface ShardHold {
  /** The shard's id. */
  readonly key: string;
  readonly epoch: Epoch;
  /** Aborts when the right is gone. */
  readonly gone: AbortSignal;
  /** Whether records may be given. */
  readonly usable: boolean;
  noteRead(byteLength: number): void;
}

export interface ShardReaderOptions {
  readonly api: KinesisApi;
  readonly runtime: Runtime;
  readonly split: SplitId;
  readonly held: ShardHold;
  /** The place of the first record. */
  readonly start: Position;
  /** Where LATEST and AT_TIMESTAMP start, epoch ms. */
  readonly startTimestampMs: number | undefined;
  /** Where it ends although the shard may go on; null: at the shard's end only. */
  readonly bound: TimeBound | null;
  readonly limits: ReadLimits;
  /** True for enhanced fan-out: the service pushes the records. */
  readonly subscribes: boolean;
  readonly wantsKeys: boolean;
  readonly maxRecordByteLength: number;
  /** Bytes that are read ahead, over all shards that share it. */
  readonly budget: ByteBudget;
  /** Calls at a time, over all shards. */
  readonly calls: ByteBudget;
  /** Called whenever there is something to take, or the reader has failed. */
  onReady(): void;
}

/** What a shard allows, or we ask of it. */
export interface ReadLimits {
  readonly maxRecords: number | undefined;
  readonly pollIntervalMs: number;
  readonly minIntervalMs: number;
  readonly bytesPerSecond: number;
  /** What a page may have; it may be more when its records are larger than those before. */
  readonly maxPageBytes: number;
}

export const SHARD_LIMITS = { minIntervalMs: 200, bytesPerSecond: 2 << 20 } as const;

/** A page's part before the bound, and whether that is reached. */
interface BoundedPage extends RecordsPage {
  readonly reached: boolean;
  readonly skipped: boolean;
}

export class ShardReader {
  readonly split: SplitId;
  readonly held: ShardHold;
  readonly #options: ShardReaderOptions;
  readonly #pages: ShardPages;
  readonly #failures: ReadFailures;
  readonly #size: PageSize;
  readonly #chunks = new WaitingChunks();
  /** Where the next batch starts. */
  #taken: Position;
  /** Where the next chunk starts. */
  #fetched: Position;
  /** Of a subscription: everything up to here was fetched, also where there were no records. */
  #continuation: string | undefined;
  #atEnd = false;
  #endTaken = false;
  /** Ends the source. */
  failure: unknown = undefined;
  /** How far behind the newest record the last read was, ms. */
  behindLatestMs = 0;
  /** Whether the shard left the stream before it was read to its end. */
  shardGone = false;
  /** How often records had left the stream before they were read. */
  skips = 0;

  constructor(options: ShardReaderOptions) {
    const { api, runtime, split, held, start, limits } = options;
    this.#options = options;
    this.split = split;
    this.held = held;
    this.#pages = new ShardPages(api, held.key, runtime.clock);
    this.#failures = new ReadFailures(split, runtime);
    this.#size = new PageSize(limits.maxRecords, limits.maxPageBytes);
    this.#taken = this.#fetched = start;
  }

  /** Reads until the end or until the right to is gone. Never rejects. */
  async run(): Promise<void> {
    const signal = this.held.gone;
    // Also long after everything was read: what waits to be taken holds its share of the budget.
    signal.addEventListener("abort", () => this.#chunks.dropAll(), { once: true });
    try {
      const step = this.#options.subscribes ? () => this.#subscribe(signal) : () => this.#step(signal);
      while (!signal.aborted && !this.#atEnd) await step();
    } catch (error) {
      if (!signal.aborted) this.failure = error;
    } finally {
      this.#options.onReady();
    }
  }

  /** Whether `take` would give something. */
  get ready(): boolean {
    return !this.paused && this.held.usable && (this.#chunks.any || (this.#atEnd && !this.#endTaken));
  }

  /** Up to where batches were given. */
  get delivered(): Position {
    return this.#taken;
  }

  /** The next batch, or "end", once, behind the last one; call only when ready. */
  take(limit: PollLimit): RecordBatch | "end" {
    if (!this.#chunks.any) {
      this.#endTaken = true;
      return "end";
    }
    const batch = this.#chunks.take({ split: this.split, epoch: this.held.epoch, start: this.#taken }, limit);
    this.#taken = batch.next;
    return batch;
  }

  /** While it is paused, it gives nothing and reads no more. */
  get paused(): boolean {
    return this.#chunks.shut;
  }

  set paused(paused: boolean) {
    this.#chunks.shut = paused;
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { budget, calls, runtime: { clock } } = this.#options;
    await this.#chunks.room(signal);
    const release = await budget.acquire(this.#size.expectedBytes, signal);
    let kept = false, pauseMs = 0;
    let startMs = clock.monotonicMs();
    try {
      const done = await calls.acquire(1, signal);
      startMs = clock.monotonicMs();
      try {
        const page = await this.#read(signal);
        const chunk = this.#chunkOf(page);
        pauseMs = this.#pauseAfter(page, chunk.byteLength);
        kept = this.#keep(chunk, release);
        this.#atEnd = page.reached || page.nextIterator === undefined;
      } finally {
        done();
      }
    } catch (error) {
      pauseMs = this.#recover(error, signal);
    } finally {
      if (!kept) release();
    }
    if (kept || this.#atEnd) this.#options.onReady();
    if (!this.#atEnd) await clock.sleep(Math.max(0, startMs + pauseMs - clock.monotonicMs()), signal);
  }

  /** One subscription, to its end: 5 minutes, the shard's end, a failure, or silence. */
  async #subscribe(signal: AbortSignal): Promise<void> {
    const { api, budget, runtime: { clock } } = this.#options;
    let pauseMs = 0;
    try {
      await this.#chunks.room(signal);
      const place: IteratorPlace = this.#continuation === undefined
        ? this.#place()
        : { type: "AFTER_SEQUENCE_NUMBER", sequence: this.#continuation };
      let began = false;
      for await (const page of pushedPages({ api, shard: this.held.key, place, clock, signal })) {
        const skipped = !began && isBehindGap(place, page.records);
        if (skipped) this.#noteSkip(page.records[0].arrivalMs);
        began ||= page.records.length > 0;
        const chunk = this.#chunkOf({ ...page, skipped });
        const release = await budget.acquire(chunk.byteLength, signal);
        const kept = this.#keep(chunk, release);
        if (!kept) release();
        this.#continuation = page.continuation;
        this.#atEnd = page.continuation === undefined;
        if (kept || this.#atEnd) this.#options.onReady();
        if (this.#atEnd) break;
        await this.#chunks.room(signal);
      }
    } catch (error) {
      pauseMs = this.#recover(error, signal);
    }
    if (!this.#atEnd && pauseMs > 0) await clock.sleep(pauseMs, signal);
  }

  async #read(signal: AbortSignal): Promise<BoundedPage> {
    const { api, bound, runtime: { clock } } = this.#options;
    const askedMs = bound === null ? NaN : api.serverTimeMs() ?? clock.now();
    const page = await this.#pages.next(this.#place(), this.#size.recordLimit, signal);
    if (page.skipped) this.#noteSkip(page.records[0].arrivalMs);
    this.#size.note(page.records.length, page.records.reduce((sum, { data }) => sum + data.length, 0));
    return bound === null ? { ...page, reached: false } : { ...page, ...bound.cut(page, askedMs) };
  }

  #place(): IteratorPlace {
    const { startTimestampMs } = this.#options;
    const record = recordAt(this.#fetched);
    if (record !== undefined) return { type: "AT_SEQUENCE_NUMBER", sequence: record.sequence };
    if (sentinelAt(this.#fetched) === "TRIM_HORIZON" || startTimestampMs === undefined) return { type: "TRIM_HORIZON" };
    return { type: "AT_TIMESTAMP", timestampMs: startTimestampMs };
  }

  #chunkOf(
    { records, behindLatestMs, skipped = false }: Pick<RecordsPage, "records" | "behindLatestMs"> & {
      skipped?: boolean;
    },
  ): RecordChunk {
    const { wantsKeys, maxRecordByteLength, runtime: { metrics } } = this.#options;
    const chunk = new RecordChunk(records, {
      wantsKeys,
      maxRecordByteLength,
      from: this.#fetched,
      behindGap: skipped && records.length > 0,
    });
    this.#failures.succeeded();
    this.behindLatestMs = behindLatestMs;
    this.held.noteRead(chunk.byteLength);
    metrics.count("collector_kinesis_reads_total");
    if (chunk.brokenCount > 0) metrics.count("collector_kinesis_broken_aggregates_total", chunk.brokenCount);
    return chunk;
  }

  /** True when the chunk waits to be taken. */
  #keep(chunk: RecordChunk, release: () => void): boolean {
    const { next } = chunk;
    if (next === undefined || next === this.#fetched || this.held.gone.aborted) return false;
    this.#fetched = next;
    this.#chunks.push(chunk, release);
    return true;
  }

  #pauseAfter({ records, behindLatestMs }: RecordsPage, byteLength: number): number {
    const { limits: { pollIntervalMs, minIntervalMs, bytesPerSecond }, runtime: { random } } = this.#options;
    // The service looks through so much at a time: far behind, an empty page doesn't mean that nothing follows.
    if (records.length === 0 && behindLatestMs === 0) return pollIntervalMs * (1 + random.next() / 2);
    return Math.max(minIntervalMs, byteLength / bytesPerSecond * 1000);
  }

  #noteSkip(arrivalMs: number): void {
    const { runtime: { log, metrics } } = this.#options;
    this.skips++;
    metrics.count("collector_kinesis_skips_total");
    const fields = { split: this.split, position: this.#fetched, next: new Date(arrivalMs).toISOString() };
    log.warn("the record at which reading goes on has left the stream, maybe with others after it", fields);
  }

  /** How long to wait before the next try, ms. @throws what can't be mended. */
  #recover(error: unknown, signal: AbortSignal): number {
    signal.throwIfAborted();
    if (error instanceof ShardGoneError) {
      const { log } = this.#options.runtime;
      log.error("the shard has left the stream, and what was not read of it", { split: this.split }, error);
      this.skips++;
      this.shardGone = true;
      this.#atEnd = true;
      return 0;
    }
    if (error instanceof ExpiredIteratorError) this.#pages.restart();
    return this.#failures.pauseMs(error);
  }
}
