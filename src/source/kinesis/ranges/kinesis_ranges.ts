import { ByteBudget } from "../../../runtime/byte_budget.ts";
import { Condition } from "../../../runtime/condition.ts";
import { withEitherSignal } from "../../../runtime/abort.ts";
import { FatalError, InvariantError } from "../../../runtime/errors.ts";
import {
  MAX_RANGES_AT_ONCE,
  type PlannedSplit,
  RANGE_EPOCH,
  type RangePlan,
  type RangeRequest,
} from "../../../records/range.ts";
import type { RangeSource } from "../../range_source.ts";
import type { PollLimit, RecordBatch } from "../../../records/record_batch.ts";
import type { SourceContext } from "../../source.ts";
import { type Position, type SplitId, splitParent, splitPart } from "../../../records/position.ts";
import { END_POSITION } from "../leases/checkpoint.ts";
import type { KinesisPorts } from "../aws/kinesis_ports.ts";
import { MAX_PAGE_BYTES } from "../shards/page_size.ts";
import { planKinesisRange } from "./range_plan.ts";
import type { KinesisSettings } from "../settings.ts";
import { type ReadLimits, SHARD_LIMITS, ShardReader } from "../shards/shard_reader.ts";
import { TimeBound } from "../shards/time_bound.ts";

/** Numbers that aren't for the config; tests may want others. */
export interface RangeTuning {
  /** How far behind the service's time a record may become readable, ms. */
  readonly marginMs: number;
  /** What a shard allows to all its readers together. */
  readonly minIntervalMs: number;
  readonly bytesPerSecond: number;
}

export const DEFAULT_RANGE_TUNING: RangeTuning = { ...SHARD_LIMITS, marginMs: 2_000 };
/** Calls of GetRecords at a time. */
const MAX_CALLS = 16;

/** A shard that was begun. */
interface Reading {
  readonly reader: ShardReader;
  readonly firstMs: number;
  readonly endMs: number;
  /** Arrival of the last record that was returned, epoch ms. */
  lastMs: number;
  ended: boolean;
}

/**
 * Shards read from one time up to another, by GetRecords, without a lease or a consumer. A shard's part begins with the
 * first record that arrived at `from` or later, and ends before the first one that arrived at `to` or later, so that
 * ranges next to each other have every record once.
 */
export class KinesisRanges implements RangeSource {
  readonly #settings: KinesisSettings;
  readonly #context: SourceContext;
  readonly #connect: (signal: AbortSignal) => Promise<KinesisPorts>;
  readonly #tuning: RangeTuning;
  readonly #closing = new AbortController();
  readonly #changed = new Condition();
  readonly #calls = new ByteBudget(MAX_CALLS);
  readonly #readings = new Map<SplitId, Reading>();
  readonly #running = new Set<Promise<void>>();
  #ports: Promise<KinesisPorts> | null = null;
  #opened: KinesisPorts | null = null;

  constructor(
    settings: KinesisSettings,
    context: SourceContext,
    { connect, tuning = DEFAULT_RANGE_TUNING }: {
      connect: (signal: AbortSignal) => Promise<KinesisPorts>;
      tuning?: RangeTuning;
    },
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#connect = connect;
    this.#tuning = tuning;
  }

  plan(request: RangeRequest, signal: AbortSignal): Promise<RangePlan> {
    return withEitherSignal([signal, this.#closing.signal], async (either) => {
      const { api } = await this.#connected(either);
      const { streamName } = this.#settings;
      const { runtime } = this.#context;
      const { marginMs } = this.#tuning;
      const parts = { api, runtime, streamName, marginMs, limits: this.#limits(), calls: this.#calls };
      return await planKinesisRange(parts, request, either);
    });
  }

  async open(splits: readonly PlannedSplit[], signal: AbortSignal): Promise<void> {
    const { streamName } = this.#settings;
    const other = splits.find(({ split }) => splitParent(split) !== streamName);
    if (other !== undefined) {
      throw new FatalError(`The job is about ${other.split}, but kinesis.stream is ${streamName}: correct it`);
    }
    this.#opened = await withEitherSignal([signal, this.#closing.signal], (either) => this.#connected(either));
  }

  begin({ split, details }: PlannedSplit, position: Position): void {
    if (this.#opened === null) throw new InvariantError(`${split} was begun before the source was opened`);
    if (this.#readings.has(split)) throw new InvariantError(`${split} was begun twice`);
    if (position === END_POSITION) throw new InvariantError(`${split} was begun behind its end`);
    const firstMs = Number(details.firstMs), endMs = Number(details.endMs), toMs = Number(details.toMs);
    if (![firstMs, endMs, toMs].every(Number.isFinite)) {
      throw new InvariantError(`the plan of ${split} has no times: ${JSON.stringify(details)}`);
    }
    const reader = new ShardReader({
      api: this.#opened.api,
      runtime: this.#context.runtime,
      split,
      held: {
        key: splitPart(split),
        epoch: RANGE_EPOCH,
        gone: this.#closing.signal,
        usable: true,
        noteRead() {},
      },
      start: position,
      startTimestampMs: undefined,
      bound: new TimeBound(toMs, this.#tuning.marginMs),
      limits: this.#limits(),
      subscribes: false,
      wantsKeys: this.#context.wants.keys,
      maxRecordByteLength: this.#context.maxRecordByteLength,
      budget: new ByteBudget(this.#shareByteLength),
      calls: this.#calls,
      onReady: () => this.#changed.notify(),
    });
    this.#readings.set(split, { reader, firstMs, endMs, lastMs: -Infinity, ended: false });
    const running: Promise<void> = reader.run().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const reading = this.#readings.get(split);
    if (reading === undefined) throw new InvariantError(`${split} is read and wasn't begun`);
    const { reader } = reading;
    for (;;) {
      signal.throwIfAborted();
      this.#closing.signal.throwIfAborted();
      if (reading.ended) return "end";
      if (reader.ready) break;
      if (reader.failure !== undefined) throw reader.failure;
      await this.#changed.wait(signal);
    }
    const batch = reader.take(limit);
    if (batch === "end") reading.ended = true;
    else if (batch.rowCount > 0) reading.lastMs = Math.max(reading.lastMs, batch.timestamps[batch.rowCount - 1]);
    return batch;
  }

  progress(split: SplitId): number {
    const reading = this.#readings.get(split);
    if (reading === undefined) return 0;
    const { firstMs, endMs, lastMs, ended } = reading;
    if (ended) return 1;
    return endMs <= firstMs ? 0 : Math.min(1, Math.max(0, (lastMs - firstMs) / (endMs - firstMs)));
  }

  /** Shards of which records left the stream after the plan, before they were read. */
  missing(): string[] {
    const skipped = Array.from(this.#readings.values()).filter(({ reader }) => reader.skips > 0);
    return skipped.map(({ reader: { split } }) => `records of ${split} expired before they were read`);
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new DOMException("the source is closed", "AbortError"));
      this.#changed.notify();
    }
    while (this.#running.size > 0) await Promise.all(this.#running);
    const ports = await this.#ports?.catch(() => null);
    this.#ports = null;
    ports?.api.close();
    ports?.store.close();
  }

  /** Each has its own, so that one that is full keeps no other from being read. */
  get #shareByteLength(): number {
    return Math.max(1, Math.floor(this.#settings.prefetchByteLength / MAX_RANGES_AT_ONCE));
  }

  /** What a shard allows is shared with the live collector, which must not fall behind because of us. */
  #limits(): ReadLimits {
    const { maxRecordsPerBatch, pollIntervalMs, replayReadShare, enhancedFanOut } = this.#settings;
    const share = replayReadShare ?? (enhancedFanOut ? 1 : 0.5);
    return {
      maxRecords: maxRecordsPerBatch,
      pollIntervalMs,
      minIntervalMs: this.#tuning.minIntervalMs / share,
      bytesPerSecond: this.#tuning.bytesPerSecond * share,
      maxPageBytes: Math.min(MAX_PAGE_BYTES, this.#shareByteLength / 2),
    };
  }

  #connected(signal: AbortSignal): Promise<KinesisPorts> {
    this.#closing.signal.throwIfAborted();
    const connecting = this.#ports ??= this.#connect(signal);
    connecting.catch(() => {
      if (this.#ports === connecting) this.#ports = null;
    });
    return connecting;
  }
}
