/**
 * A worker of the stream, beside others that share the lease table. What becomes of a shard here:
 *
 *     lease taken --> parents ended? --no--> waits (looks every few seconds)
 *                          | yes
 *                     handler.assigned --> ShardReader --> poll --> batches
 *                          |                                 |
 *       lease lost: handler.lost                  the shard's end: an empty batch up to END_POSITION
 *       handoff: handler.revoking                            |
 *                                                 handler.revoking (writes it soon), commit(END_POSITION):
 *                                                 children created, childShardIds set, SHARD_END, lease let go
 */
import { withAbort, withEitherSignal } from "../../runtime/abort.ts";
import { ByteBudget } from "../../runtime/byte_budget.ts";
import { Condition } from "../../runtime/condition.ts";
import { InvariantError, SplitLostError } from "../../runtime/errors.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../../runtime/retry.ts";
import {
  comparePositions,
  type Epoch,
  type PollLimit,
  type Position,
  type RecordBatch,
  type Source,
  type SourceContext,
  type SourceHandler,
  type SplitId,
  splitPart,
} from "../source.ts";
import { checkpointBefore, END_POSITION, isSentinel, positionAfter } from "./checkpoint.ts";
import { sleepUntilAborted } from "./concurrency.ts";
import type { HeldLease } from "./held_lease.ts";
import type { KinesisApi } from "./kinesis_api.ts";
import { LeaseCoordinator } from "./lease_coordinator.ts";
import type { LeaseStore } from "./lease_store.ts";
import { LeaseTable } from "./lease_table.ts";
import type { KinesisSettings } from "./settings.ts";
import { type ReadLimits, SHARD_LIMITS, ShardReader } from "./shard_reader.ts";
import { MAX_PAGE_BYTES } from "./page_size.ts";
import { ParentGate } from "./parent_gate.ts";
import { endBatch } from "./record_chunk.ts";
import { ShardEnd } from "./shard_end.ts";
import { type ShardCounts, ShardMeter } from "./shard_meter.ts";
import { ShardSync } from "./shard_sync.ts";
import { waitForTable } from "./wait_for_table.ts";
import { WorkerRow } from "./worker_row.ts";

/** The outside: over the network, or the simulation's. */
export interface KinesisPorts {
  readonly api: KinesisApi;
  readonly store: LeaseStore;
  /** Publishes metrics until the signal aborts; undefined when nobody wants them. Never rejects. */
  publish?(source: KinesisSource, signal: AbortSignal): Promise<void>;
}

/** Numbers that aren't for the config; tests and benches may want others. */
export interface KinesisTuning {
  readonly minIntervalMs: number;
  readonly bytesPerSecond: number;
  /** How often a shard looks whether its parents have ended. */
  readonly parentPollMs: number;
  /** Shards that end within this time are written together. */
  readonly endDelayMs: number;
}

export const DEFAULT_TUNING: KinesisTuning = { ...SHARD_LIMITS, parentPollMs: 10_000, endDelayMs: 500 };

const GAUGE_PERIOD_MS = 2_000;
/** Calls of GetRecords at a time. */
const MAX_CALLS = 16;
/** An ended shard has no deadline: nobody else waits for it. The longest that timers take. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

/** A shard that is ours. */
interface OwnedShard {
  readonly held: HeldLease;
  readonly split: SplitId;
  reader: ShardReader | null;
  /** Up to where the table has it. */
  committed: Position;
  /** The latest position that anybody wants committed. */
  wanted: Position;
  committing: Promise<void>;
  /** Whether the handler knows of it. */
  assigned: boolean;
  /** The batch at its end was given to the loop. */
  ended: boolean;
  /** Where LATEST or AT_TIMESTAMP is, epoch ms, once that is resolved. */
  startMs: number | undefined;
}

export class KinesisSource implements Source {
  readonly #settings: KinesisSettings;
  readonly #context: SourceContext;
  readonly #connect: (signal: AbortSignal) => Promise<KinesisPorts>;
  readonly #tuning: KinesisTuning;
  readonly #changed = new Condition();
  readonly #closing = new AbortController();
  readonly #shards = new Map<SplitId, OwnedShard>();
  readonly #paused = new Set<SplitId>();
  readonly #budget: ByteBudget;
  readonly #calls = new ByteBudget(MAX_CALLS);
  readonly #background = new Set<Promise<void>>();
  #handler: SourceHandler | null = null;
  #ports: KinesisPorts | null = null;
  #coordinator: LeaseCoordinator | null = null;
  #gate: ParentGate | null = null;
  #shardEnd: ShardEnd | null = null;
  readonly #meter: ShardMeter;
  #turn = 0;
  #failure: unknown = undefined;
  /** Shards whose end was given to the loop, to be written soon. */
  #ending: SplitId[] = [];
  readonly workerId: string;

  constructor(
    settings: KinesisSettings,
    context: SourceContext,
    { connect, workerId, tuning = DEFAULT_TUNING }: {
      connect: (signal: AbortSignal) => Promise<KinesisPorts>;
      workerId: string;
      tuning?: KinesisTuning;
    },
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#connect = connect;
    this.#tuning = tuning;
    this.workerId = workerId;
    this.#budget = new ByteBudget(settings.prefetchByteLength);
    this.#meter = new ShardMeter(context.runtime.metrics);
  }

  /** From when `signal` aborts on, no more shards are taken; those that are ours stay so until `close`. */
  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#handler = handler;
    await withAbort(this.#start(AbortSignal.any([signal, this.#closing.signal])), signal);
    signal.addEventListener("abort", () => this.#coordinator?.stopTaking(), { once: true });
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    if (this.#coordinator === null) throw new InvariantError("poll before open");
    this.#startEnding();
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const owned = this.#nextReady();
      if (owned !== null) return this.#deliver(owned, limit);
      await this.#changed.wait(signal);
    }
  }

  pause(splits: readonly SplitId[]): void {
    for (const split of splits) {
      const owned = this.#shards.get(split);
      if (owned === undefined) continue;
      this.#paused.add(split);
      if (owned.reader !== null) owned.reader.paused = true;
    }
  }

  resume(splits: readonly SplitId[]): void {
    for (const split of splits) {
      this.#paused.delete(split);
      this.#shards.get(split)?.reader?.resume();
    }
    this.#changed.notify();
  }

  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const owned = this.#shards.get(split);
    if (this.#closing.signal.aborted || owned === undefined || owned.held.epoch !== epoch || !owned.held.usable) {
      if (owned?.held.epoch === epoch && !this.#closing.signal.aborted) this.#coordinator!.lose(owned.held);
      throw new SplitLostError(split, `can't commit ${split} in epoch ${epoch}: its lease is no longer ours`);
    }
    if (comparePositions(next, owned.wanted) < 0) {
      throw new InvariantError(`commit of ${split} at ${next}, but ${owned.wanted} was committed before`);
    }
    const delivered = owned.ended ? END_POSITION : owned.reader?.delivered ?? owned.committed;
    if (comparePositions(next, delivered) > 0) {
      throw new InvariantError(`commit of ${split} at ${next}, but records were delivered up to ${delivered} only`);
    }
    owned.wanted = next;
    const write = () => this.#writeWanted(owned, next, signal);
    const written = owned.committing.then(write, write);
    owned.committing = written.catch(() => {});
    await withAbort(written, signal);
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new DOMException("the source is closed", "AbortError"));
    }
    await this.#coordinator?.close();
    while (this.#background.size > 0) await Promise.all(this.#background);
    this.#shards.clear();
    this.#ports?.api.close();
    this.#ports?.store.close();
    this.#ports = null;
  }

  /** What was given to the loop since it was last asked for, and how far behind the shards are now. */
  takeShardCounts(): ShardCounts[] {
    return this.#meter.take(this.#readers());
  }

  /** Leases that are ours now. */
  get heldCount(): number {
    return this.#coordinator?.held().length ?? 0;
  }

  get leaseCounts() {
    return this.#coordinator?.counts;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#context;
    const settings = this.#settings;
    const ports = await this.#connect(signal);
    if (this.#closing.signal.aborted) {
      ports.api.close();
      ports.store.close();
      this.#closing.signal.throwIfAborted();
    }
    this.#ports = ports;
    const persist = (what: string, work: () => Promise<void>) =>
      retry(what, work, { policy: RETRY_UNTIL_STOPPED, runtime, signal });
    await persist(
      "kinesis find lease table",
      () => waitForTable(ports.store, { runtime, table: settings.leaseTable, signal }),
    );
    const table = new LeaseTable(ports.store, this.workerId, runtime);
    const initial = { type: settings.initialPosition, timestampMs: settings.initialTimestampMs };
    const sync = new ShardSync(ports.api, table, { runtime, initial });
    await persist("kinesis create leases", () => sync.run(signal));
    if (settings.enhancedFanOut) {
      await persist("kinesis register consumer", () => ports.api.registerConsumer(settings.leaseTable, signal));
    }
    this.#shardEnd = new ShardEnd(ports.api, table, runtime);
    this.#gate = new ParentGate(table, runtime.clock, this.#tuning.parentPollMs);
    this.#coordinator = new LeaseCoordinator({
      table,
      runtime,
      workerId: this.workerId,
      failoverTimeMs: settings.failoverTimeMs,
      maxLeases: settings.maxLeases ?? Infinity,
      assignment: settings.assignment,
      listener: {
        taken: (held) => this.#onTaken(held),
        lost: (held) => this.#onLost(held),
        handoff: (held) => this.#onHandoff(held),
      },
    });
    runtime.log.info("kinesis worker started", { stream: settings.streamName, workerId: this.workerId });
    const coordinator = this.#coordinator;
    await persist("kinesis take leases", () => coordinator.start(signal));
    this.#run(this.#syncLoop(sync));
    this.#run(this.#gaugeLoop());
    if (settings.assignment === "leader") {
      const row = new WorkerRow(ports.store, { workerId: this.workerId, runtime });
      this.#run(row.publish(this.#closing.signal));
    }
    if (ports.publish !== undefined) this.#run(ports.publish(this, this.#closing.signal));
  }

  #run(work: Promise<void>): void {
    const running: Promise<void> = work.catch((error) => {
      if (!this.#closing.signal.aborted) this.#fail(error);
    }).finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  async #syncLoop(sync: ShardSync): Promise<void> {
    const { runtime: { clock, log, random } } = this.#context;
    const { signal } = this.#closing;
    // A little apart from the others, so that not all list the shards at once.
    const period = () => this.#settings.shardSyncIntervalMs * (0.9 + random.next() / 5);
    while (await sleepUntilAborted(clock, period(), signal)) {
      try {
        await sync.run(signal);
      } catch (error) {
        if (!signal.aborted) log.warn("could not look at the stream's shards; trying again", {}, error);
      }
    }
  }

  async #gaugeLoop(): Promise<void> {
    const { clock } = this.#context.runtime;
    while (await sleepUntilAborted(clock, GAUGE_PERIOD_MS, this.#closing.signal)) this.#meter.gauge(this.#readers());
  }

  #onTaken(held: HeldLease): void {
    const split = `${this.#settings.streamName}/${held.key}`;
    const start = positionAfter(held.lease.checkpoint);
    const owned: OwnedShard = {
      held,
      split,
      reader: null,
      committed: start,
      wanted: start,
      committing: Promise.resolve(),
      assigned: false,
      ended: false,
      startMs: undefined,
    };
    this.#shards.set(split, owned);
    this.#run(this.#serve(owned));
  }

  async #serve(owned: OwnedShard): Promise<void> {
    const { held, split } = owned;
    try {
      await this.#gate!.passed(held);
      const startTimestampMs = owned.startMs = this.#startTimestamp(owned);
      owned.reader = new ShardReader({
        api: this.#ports!.api,
        runtime: this.#context.runtime,
        split,
        held,
        start: positionAfter(held.lease.checkpoint),
        startTimestampMs,
        bound: null,
        limits: this.#readLimits(),
        subscribes: this.#settings.enhancedFanOut,
        wantsKeys: this.#context.wants.keys,
        maxRecordByteLength: this.#context.maxRecordByteLength,
        budget: this.#budget,
        calls: this.#calls,
        onReady: () => this.#changed.notify(),
      });
      owned.assigned = true;
      const committed = !isSentinel(held.lease.checkpoint);
      await withAbort(this.#handler!.assigned(split, held.epoch, owned.committed, { committed }), held.gone);
    } catch (error) {
      if (held.gone.aborted || error instanceof SplitLostError) return;
      throw error;
    }
    owned.reader.paused = this.#paused.has(split);
    await owned.reader.run();
    if (owned.reader.failure !== undefined) throw owned.reader.failure;
  }

  #readLimits(): ReadLimits {
    const { maxRecordsPerBatch, pollIntervalMs } = this.#settings;
    const { minIntervalMs, bytesPerSecond } = this.#tuning;
    const maxPageBytes = Math.min(MAX_PAGE_BYTES, this.#settings.prefetchByteLength / 2);
    return { maxRecords: maxRecordsPerBatch, pollIntervalMs, minIntervalMs, bytesPerSecond, maxPageBytes };
  }

  /** Where LATEST and AT_TIMESTAMP are: kept in the lease, or from the config, or now. */
  #startTimestamp({ held: { lease } }: OwnedShard): number | undefined {
    const { sequence } = lease.checkpoint;
    if (sequence === "AT_TIMESTAMP") return this.#settings.initialTimestampMs;
    if (sequence !== "LATEST") return undefined;
    return lease.startTimestampMs ?? this.#ports!.api.serverTimeMs() ?? this.#context.runtime.clock.now();
  }

  #onLost(held: HeldLease): void {
    const owned = this.#forget(held);
    if (owned?.assigned) this.#handler!.lost([owned.split]);
  }

  async #onHandoff(held: HeldLease): Promise<void> {
    const split = `${this.#settings.streamName}/${held.key}`;
    const owned = this.#shards.get(split);
    if (owned?.held !== held) return;
    if (owned.assigned) {
      if (owned.reader !== null) owned.reader.paused = true;
      await this.#handler!.revoking([split], this.#settings.handoffTimeoutMs);
    }
    this.#forget(held);
  }

  #forget(held: HeldLease): OwnedShard | undefined {
    const split = `${this.#settings.streamName}/${held.key}`;
    const owned = this.#shards.get(split);
    if (owned?.held !== held) return undefined;
    this.#shards.delete(split);
    this.#paused.delete(split);
    return owned;
  }

  /** The shards take turns, whatever their batches hold. */
  #nextReady(): OwnedShard | null {
    const shards = [...this.#shards.values()];
    for (let i = 0; i < shards.length; i++) {
      const at = (this.#turn + i) % shards.length;
      if (!shards[at].reader?.ready) continue;
      this.#turn = at + 1;
      return shards[at];
    }
    return null;
  }

  #deliver(owned: OwnedShard, limit: PollLimit): RecordBatch {
    const reader = owned.reader!;
    const batch = reader.take(limit);
    if (batch === "end") {
      owned.ended = true;
      this.#ending.push(owned.split);
      return endBatch(owned.split, owned.held.epoch, reader.delivered);
    }
    this.#meter.count(owned.held.key, batch.rowCount, batch.bytes.length);
    return batch;
  }

  #readers(): ShardReader[] {
    return [...this.#shards.values()].map(({ reader }) => reader).filter((reader) => reader !== null);
  }

  /** The loop has taken the batches at these shards' ends by now: has them written soon, so that children can start. */
  #startEnding(): void {
    if (this.#ending.length === 0) return;
    const first = this.#ending;
    this.#ending = [];
    this.#run((async () => {
      if (!await sleepUntilAborted(this.#context.runtime.clock, this.#tuning.endDelayMs, this.#closing.signal)) return;
      const splits = first.filter((split) => this.#shards.get(split)?.ended);
      if (splits.length > 0) {
        await withAbort(this.#handler!.revoking(splits, NO_DEADLINE_MS), this.#closing.signal);
      }
    })());
  }

  async #writeWanted(owned: OwnedShard, next: Position, signal: AbortSignal): Promise<void> {
    if (comparePositions(owned.committed, next) >= 0 && !this.#mustResolve(owned)) return;
    const { held, split, wanted } = owned;
    const { runtime } = this.#context;
    const write = (either: AbortSignal) =>
      wanted === END_POSITION
        ? this.#shardEnd!.finish(held, either)
        : held.checkpoint(checkpointBefore(wanted), either, this.#startOf(owned, wanted));
    try {
      await withEitherSignal(
        [signal, held.gone],
        (either) =>
          retry("kinesis commit", () => write(either), { policy: RETRY_UNTIL_STOPPED, runtime, signal: either }),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (held.gone.aborted || error instanceof SplitLostError) {
        // The loop forgets the split now, so we must too, whatever becomes of the lease.
        this.#coordinator!.lose(held);
        throw new SplitLostError(split, `can't commit ${split}: its lease was lost`, { cause: error });
      }
      throw error;
    }
    owned.committed = wanted;
    if (wanted === END_POSITION) this.#onEnded(owned);
  }

  /** "latest" is not kept in the table yet: it must be, before anything is read. */
  #mustResolve({ held: { lease }, committed }: OwnedShard): boolean {
    return committed === positionAfter(lease.checkpoint) && lease.checkpoint.sequence === "LATEST" &&
      lease.startTimestampMs === undefined;
  }

  #startOf(owned: OwnedShard, position: Position): number | undefined {
    return checkpointBefore(position).sequence === "LATEST" ? owned.startMs : undefined;
  }

  #onEnded(owned: OwnedShard): void {
    this.#forget(owned.held);
    this.#coordinator!.drop(owned.held);
    this.#context.runtime.log.info("shard ended", { split: owned.split, shard: splitPart(owned.split) });
    this.#gate!.wake();
    // Its children are free: take them now instead of at the next turn.
    this.#run(
      this.#coordinator!.takeRound(this.#closing.signal).catch((error) => {
        if (!this.#closing.signal.aborted) {
          this.#context.runtime.log.warn("could not take leases; trying again", {}, error);
        }
      }),
    );
  }
}
