import { withAbort } from "../../../runtime/abort.ts";
import { ByteBudget } from "../../../runtime/byte_budget.ts";
import { FatalError, SplitLostError } from "../../../runtime/errors.ts";
import type { SourceContext, SourceHandler } from "../../source.ts";
import { isSentinel, positionAfter } from "../leases/checkpoint.ts";
import { ForeignSequenceError, type KinesisApi } from "../aws/kinesis_api.ts";
import { madeAnewWayOut } from "../leases/stale_leases.ts";
import type { OwnedShard, OwnedShards } from "./owned_shards.ts";
import { MAX_PAGE_BYTES } from "./page_size.ts";
import type { ParentGate } from "../leases/parent_gate.ts";
import type { KinesisSettings } from "../settings.ts";
import { type ReadLimits, ShardReader } from "./shard_reader.ts";

/** Calls of GetRecords at a time. */
const MAX_CALLS = 16;

export interface ShardServingOptions {
  readonly api: KinesisApi;
  readonly settings: KinesisSettings;
  readonly context: SourceContext;
  readonly limits: Pick<ReadLimits, "minIntervalMs" | "bytesPerSecond">;
  readonly gate: ParentGate;
  readonly shards: OwnedShards;
  readonly handler: SourceHandler;
  /** Called whenever a shard has something to give, or its reader has failed. */
  onReady(): void;
}

/** A shard's life while it is ours: waits for its parents, is announced, and is read to its end. */
export class ShardServing {
  readonly #options: ShardServingOptions;
  readonly #budget: ByteBudget;
  readonly #calls = new ByteBudget(MAX_CALLS);

  constructor(options: ShardServingOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.settings.prefetchByteLength);
  }

  /** Until its end, or until its lease is gone. @throws what ends the source. */
  async serve(owned: OwnedShard): Promise<void> {
    const { gate, handler, shards } = this.#options;
    const { held, split } = owned;
    let reader: ShardReader;
    try {
      await gate.passed(held);
      owned.startMs = this.#startTimestamp(owned);
      reader = owned.reader = this.#newReader(owned);
      owned.assigned = true;
      const committed = !isSentinel(held.lease.checkpoint);
      await withAbort(handler.assigned(split, held.epoch, owned.committed, { committed }), held.gone);
    } catch (error) {
      if (held.gone.aborted || error instanceof SplitLostError) return;
      throw error;
    }
    reader.paused = shards.isPaused(split);
    await reader.run();
    const { failure, shardGone } = reader;
    const { settings: { leaseTable }, context: { runtime: { log } } } = this.#options;
    if (shardGone) log.warn(madeAnewWayOut(leaseTable), { split });
    if (failure === undefined) return;
    if (!(failure instanceof ForeignSequenceError)) throw failure;
    throw new FatalError(`${failure.message}: ${madeAnewWayOut(leaseTable)}`, { cause: failure });
  }

  #newReader({ held, split, startMs }: OwnedShard): ShardReader {
    const { api, context: { runtime, wants, maxRecordByteLength }, settings, onReady } = this.#options;
    return new ShardReader({
      api,
      runtime,
      split,
      held,
      start: positionAfter(held.lease.checkpoint),
      startTimestampMs: startMs,
      bound: null,
      limits: this.#limits(),
      subscribes: settings.enhancedFanOut,
      wantsKeys: wants.keys,
      maxRecordByteLength,
      budget: this.#budget,
      calls: this.#calls,
      onReady,
    });
  }

  #limits(): ReadLimits {
    const { settings: { maxRecordsPerBatch, pollIntervalMs, prefetchByteLength }, limits } = this.#options;
    const { minIntervalMs, bytesPerSecond } = limits;
    const maxPageBytes = Math.min(MAX_PAGE_BYTES, prefetchByteLength / 2);
    return { maxRecords: maxRecordsPerBatch, pollIntervalMs, minIntervalMs, bytesPerSecond, maxPageBytes };
  }

  /** Where LATEST and AT_TIMESTAMP are: kept in the lease, or from the config, or now. */
  #startTimestamp({ held: { lease } }: OwnedShard): number | undefined {
    const { api, settings, context: { runtime: { clock } } } = this.#options;
    const { sequence } = lease.checkpoint;
    if (sequence === "AT_TIMESTAMP") return settings.initialTimestampMs;
    if (sequence !== "LATEST") return undefined;
    return lease.startTimestampMs ?? api.serverTimeMs() ?? clock.now();
  }
}
