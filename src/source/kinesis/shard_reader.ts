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
import type { ByteBudget } from "../../runtime/byte_budget.ts";
import { Condition } from "../../runtime/condition.ts";
import { RetriableError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { linkedController, withTimeLimit } from "../../runtime/time_limit.ts";
import type { PollLimit, Position, RecordBatch, SplitId } from "../source.ts";
import { type Checkpoint, checkpointBefore, isSentinel, positionAfter } from "./checkpoint.ts";
import type { HeldLease } from "./held_lease.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  type PushedPage,
  type RecordsPage,
  ShardGoneError,
  type StreamRecord,
} from "./kinesis_api.ts";
import { endBatch, RecordChunk } from "./record_chunk.ts";

export interface ShardReaderOptions {
  readonly api: KinesisApi;
  readonly runtime: Runtime;
  readonly split: SplitId;
  readonly held: HeldLease;
  /** Where LATEST and AT_TIMESTAMP start, epoch ms. */
  readonly startTimestampMs: number | undefined;
  readonly limits: ReadLimits;
  /** True for enhanced fan-out: the service pushes the records. */
  readonly subscribes: boolean;
  readonly wantsKeys: boolean;
  readonly maxRecordByteLength: number;
  /** Bytes that are read ahead, over all shards. */
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
}

export const SHARD_LIMITS = { minIntervalMs: 200, bytesPerSecond: 2 << 20 } as const;
/** Chunks that wait to be taken, beside the one that is being taken. */
const MAX_WAITING_CHUNKS = 1;
/** What a read is expected to give, at the least, at first and at the most. */
const MIN_EXPECTED_BYTES = 64 << 10, FIRST_EXPECTED_BYTES = 1 << 20, MAX_EXPECTED_BYTES = 10 << 20;
const BACKOFF_BASE_MS = 200, BACKOFF_MAX_MS = 10_000;
/** Iterators live for 300 s; one this old is not tried. */
const ITERATOR_MAX_AGE_MS = 280_000;
/** A subscription tells of itself every few seconds, also without records. */
const SILENCE_MS = 40_000;

interface WaitingChunk {
  readonly chunk: RecordChunk;
  readonly release: () => void;
}

export class ShardReader {
  readonly split: SplitId;
  readonly held: HeldLease;
  readonly #options: ShardReaderOptions;
  readonly #changed = new Condition();
  readonly #chunks: WaitingChunk[] = [];
  /** Where the next batch starts. */
  #taken: Position;
  /** The last record fetched. */
  #fetched: Checkpoint;
  #iterator: { readonly text: string; readonly gotMs: number } | undefined;
  /** Of a subscription: everything up to here was fetched, also where there were no records. */
  #continuation: string | undefined;
  #expectedBytes = FIRST_EXPECTED_BYTES;
  #failures = 0;
  #atEnd = false;
  #endTaken = false;
  paused = false;
  /** Ends the source. */
  failure: unknown = undefined;
  /** How far behind the newest record the last read was, ms. */
  behindLatestMs = 0;

  constructor(options: ShardReaderOptions) {
    this.#options = options;
    this.split = options.split;
    this.held = options.held;
    this.#fetched = options.held.lease.checkpoint;
    this.#taken = positionAfter(this.#fetched);
  }

  /** Reads until the end or until the lease is gone. Never rejects. */
  async run(): Promise<void> {
    const signal = this.held.gone;
    // Also long after everything was read: what waits to be taken holds its share of the budget.
    signal.addEventListener("abort", () => this.#dropAll(), { once: true });
    try {
      const step = this.#options.subscribes ? () => this.#subscribe(signal) : () => this.#step(signal);
      while (!signal.aborted && !this.#atEnd) await step();
    } catch (error) {
      if (!signal.aborted) this.failure = error;
    } finally {
      this.#options.onReady();
    }
  }

  /** Whether `take` would give a batch. */
  get ready(): boolean {
    return !this.paused && this.held.usable && (this.#chunks.length > 0 || (this.#atEnd && !this.#endTaken));
  }

  /** Up to where batches were given. */
  get delivered(): Position {
    return this.#taken;
  }

  /** The next batch; call only when ready. */
  take(limit: PollLimit): RecordBatch {
    const place = { split: this.split, epoch: this.held.epoch, start: this.#taken };
    const waiting = this.#chunks[0];
    let batch: RecordBatch;
    if (waiting === undefined) {
      this.#endTaken = true;
      batch = endBatch(place.split, place.epoch, place.start);
    } else {
      batch = waiting.chunk.take(place, limit);
      if (waiting.chunk.left === 0) {
        this.#chunks.shift();
        waiting.release();
        this.#changed.notify();
      }
    }
    this.#taken = batch.next;
    return batch;
  }

  resume(): void {
    this.paused = false;
    this.#changed.notify();
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { budget, calls, runtime: { clock } } = this.#options;
    await this.#room(signal);
    const release = await budget.acquire(this.#expectedBytes, signal);
    let kept = false, pauseMs = 0;
    let startMs = clock.monotonicMs();
    try {
      const done = await calls.acquire(1, signal);
      startMs = clock.monotonicMs();
      try {
        const page = await this.#read(signal);
        const chunk = this.#chunkOf(page);
        this.#failures = 0;
        pauseMs = this.#pauseAfter(chunk.byteLength, page.records.length);
        kept = this.#keep(chunk, release);
        this.#atEnd = page.nextIterator === undefined;
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
    // The subscription's own: what it listens to must not pile up on the lease's signal.
    const { controller, unlink } = linkedController(signal);
    let pages: AsyncIterator<PushedPage> | undefined;
    let pauseMs = 0;
    try {
      await this.#room(signal);
      const place: IteratorPlace = this.#continuation === undefined
        ? this.#place()
        : { type: "AFTER_SEQUENCE_NUMBER", sequence: this.#continuation };
      const subscription = pages = (await api.subscribe(this.held.key, place, controller.signal))
        [Symbol.asyncIterator]();
      const what = `hear of shard ${this.held.key} by SubscribeToShard`;
      for (;;) {
        const limit = { what, limitMs: SILENCE_MS, clock, signal };
        const { value: page, done } = await withTimeLimit(limit, () => subscription.next());
        if (done) break;
        this.#failures = 0;
        this.behindLatestMs = page.behindLatestMs;
        const chunk = this.#chunkOf(page);
        const release = await budget.acquire(chunk.byteLength, signal);
        const kept = this.#keep(chunk, release);
        if (!kept) release();
        this.#continuation = page.continuation;
        this.#atEnd = page.continuation === undefined;
        if (kept || this.#atEnd) this.#options.onReady();
        if (this.#atEnd) break;
        // What is not asked for stays with the service: it stops pushing, and drops us in the end.
        await this.#room(signal);
      }
    } catch (error) {
      pauseMs = this.#recover(error, signal);
    } finally {
      unlink();
      controller.abort(new DOMException("the subscription is over", "AbortError"));
      pages?.return?.()?.catch(() => {}); // not waited for: it may hang as its next page does
    }
    if (!this.#atEnd && pauseMs > 0) await clock.sleep(pauseMs, signal);
  }

  async #room(signal: AbortSignal): Promise<void> {
    while (this.paused || this.#chunks.length > MAX_WAITING_CHUNKS) await this.#changed.wait(signal);
  }

  async #read(signal: AbortSignal): Promise<RecordsPage> {
    const { api, limits, runtime: { clock } } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#iterator === undefined || nowMs - this.#iterator.gotMs > ITERATOR_MAX_AGE_MS) {
      const text = await api.getIterator(this.held.key, this.#place(), signal);
      this.#iterator = { text, gotMs: clock.monotonicMs() };
    }
    const page = await api.getRecords(this.#iterator.text, limits.maxRecords, signal);
    this.behindLatestMs = page.behindLatestMs;
    this.#iterator = page.nextIterator === undefined
      ? undefined
      : { text: page.nextIterator, gotMs: clock.monotonicMs() };
    return page;
  }

  #place(): IteratorPlace {
    const { startTimestampMs } = this.#options;
    const { sequence } = this.#fetched;
    if (!isSentinel(this.#fetched)) return { type: "AT_SEQUENCE_NUMBER", sequence };
    if (sequence === "TRIM_HORIZON" || startTimestampMs === undefined) return { type: "TRIM_HORIZON" };
    return { type: "AT_TIMESTAMP", timestampMs: startTimestampMs };
  }

  #chunkOf(page: { readonly records: readonly StreamRecord[] }): RecordChunk {
    const { wantsKeys, maxRecordByteLength, runtime } = this.#options;
    const chunk = new RecordChunk(page.records, { wantsKeys, maxRecordByteLength, after: this.#fetched });
    this.held.noteRead(chunk.byteLength);
    runtime.metrics.count("collector_kinesis_reads_total");
    if (chunk.brokenCount > 0) runtime.metrics.count("collector_kinesis_broken_aggregates_total", chunk.brokenCount);
    return chunk;
  }

  /** True when the chunk waits to be taken. */
  #keep(chunk: RecordChunk, release: () => void): boolean {
    this.#expectedBytes = Math.min(MAX_EXPECTED_BYTES, Math.max(MIN_EXPECTED_BYTES, 2 * chunk.byteLength));
    const { next } = chunk;
    if (next === undefined || next === positionAfter(this.#fetched) || this.held.gone.aborted) return false;
    this.#fetched = checkpointBefore(next);
    this.#chunks.push({ chunk, release });
    return true;
  }

  #pauseAfter(byteLength: number, recordCount: number): number {
    const { limits: { pollIntervalMs, minIntervalMs, bytesPerSecond }, runtime: { random } } = this.#options;
    if (recordCount === 0) return pollIntervalMs * (1 + random.next() / 2);
    return Math.max(minIntervalMs, byteLength / bytesPerSecond * 1000);
  }

  /** How long to wait before the next try, ms. @throws what can't be mended. */
  #recover(error: unknown, signal: AbortSignal): number {
    signal.throwIfAborted();
    const { runtime: { log, metrics, random } } = this.#options;
    if (error instanceof ShardGoneError) {
      log.warn("the shard has left the stream, and what was not read of it", { split: this.split }, error);
      this.#atEnd = true;
      return 0;
    }
    const expired = error instanceof ExpiredIteratorError;
    if (!expired && !(error instanceof RetriableError)) throw error;
    this.#failures++;
    if (expired) {
      this.#iterator = undefined;
      metrics.count("collector_kinesis_expired_iterators_total");
      if (this.#failures === 1) return 0;
    } else {
      metrics.count("collector_retries_total", 1, { what: "kinesis GetRecords" });
      log.debug("a read failed, trying again", { split: this.split, failures: this.#failures, error: error.message });
      if (this.#failures % 10 === 0) {
        log.warn("reads of a shard fail again and again", { split: this.split, failures: this.#failures }, error);
      }
    }
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(this.#failures, 10));
    return ceilingMs / 2 + random.next() * ceilingMs / 2;
  }

  #dropAll(): void {
    for (const { release } of this.#chunks.splice(0)) release();
  }
}
