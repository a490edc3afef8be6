/**
 * A worker of the stream, beside others that share the lease table. What becomes of a shard here:
 *
 *     lease taken --> parents ended? --no--> waits (looks every few seconds)        OwnedShards, ParentGate
 *                          | yes
 *                     handler.assigned --> ShardReader --> poll --> batches         ShardServing
 *                          |                                 |
 *       lease lost: handler.lost                  the shard's end: an empty batch up to END_POSITION
 *       handoff: handler.revoking                            |
 *                                                 handler.revoking (writes it soon), EndedShards
 *                                                 commit(END_POSITION):              ShardCommits, ShardEnd
 *                                                 children created, childShardIds set, SHARD_END, lease let go
 */
import { failing } from "../../runtime/outage.ts";
import { withAbort } from "../../runtime/abort.ts";
import { Condition } from "../../runtime/condition.ts";
import { InvariantError, SplitLostError } from "../../runtime/errors.ts";
import { type Epoch, type Position, type SplitId, splitPart } from "../../records/position.ts";
import type { PollLimit, RecordBatch } from "../../records/record_batch.ts";
import type { Source, SourceContext, SourceHandler } from "../source.ts";
import { AssignmentWatch } from "./leases/assignment.ts";
import { Background } from "./background.ts";
import { EndedShards } from "./leases/ended_shards.ts";
import type { HeldLease } from "./leases/held_lease.ts";
import type { KinesisPorts } from "./aws/kinesis_ports.ts";
import { LeaseCoordinator } from "./leases/lease_coordinator.ts";
import { LeaseTable } from "./leases/lease_table.ts";
import { type OwnedShard, OwnedShards } from "./shards/owned_shards.ts";
import { ParentGate } from "./leases/parent_gate.ts";
import { endBatch } from "./shards/record_chunk.ts";
import type { KinesisSettings } from "./settings.ts";
import { ShardCommits } from "./shards/shard_commits.ts";
import { ShardEnd } from "./leases/shard_end.ts";
import { type ShardCounts, ShardMeter } from "./shards/shard_meter.ts";
import { SHARD_LIMITS } from "./shards/shard_reader.ts";
import { ShardServing } from "./shards/shard_serving.ts";
import { persistently, prepareStream } from "./stream_setup.ts";
import { WorkerRow } from "./leases/worker_row.ts";

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

/** What is there once the source is open. */
interface Opened {
  readonly handler: SourceHandler;
  readonly gate: ParentGate;
  readonly commits: ShardCommits;
  readonly coordinator: LeaseCoordinator;
}

export class KinesisSource implements Source {
  readonly #settings: KinesisSettings;
  readonly #context: SourceContext;
  readonly #connect: (signal: AbortSignal) => Promise<KinesisPorts>;
  readonly #tuning: KinesisTuning;
  readonly #changed = new Condition();
  readonly #closing = new AbortController();
  readonly #background: Background;
  readonly #shards: OwnedShards;
  readonly #ended: EndedShards;
  readonly #meter: ShardMeter;
  #ports: KinesisPorts | null = null;
  #opened: Opened | null = null;
  /** Settles when our row among a fleet's workers is retired. */
  #published = Promise.resolve();
  #failure: unknown = undefined;
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
    const { clock } = context.runtime;
    const { signal } = this.#closing;
    this.#settings = settings;
    this.#context = context;
    this.#connect = connect;
    this.#tuning = tuning;
    this.workerId = workerId;
    this.#background = new Background((error) => {
      if (!signal.aborted) this.#fail(error);
    });
    this.#shards = new OwnedShards(settings.streamName);
    this.#ended = new EndedShards({ shards: this.#shards, clock, delayMs: tuning.endDelayMs, signal });
    this.#meter = new ShardMeter(context.runtime);
  }

  /** From when `signal` aborts on, no more shards are taken; those that are ours stay so until `close`. */
  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await withAbort(this.#start(handler, AbortSignal.any([signal, this.#closing.signal])), signal);
    signal.addEventListener("abort", () => this.#opened?.coordinator.stopTaking(), { once: true });
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const { handler } = this.#theOpened("poll");
    // The loop has taken the last batches by now.
    const writing = this.#ended.write(handler);
    if (writing !== null) this.#background.run(writing);
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const owned = this.#shards.nextReady();
      if (owned !== null) return this.#deliver(owned, limit);
      await this.#changed.wait(signal);
    }
  }

  pause(splits: readonly SplitId[]): void {
    this.#shards.pause(splits);
  }

  resume(splits: readonly SplitId[]): void {
    this.#shards.resume(splits);
    this.#changed.notify();
  }

  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#closing.signal.aborted) {
      throw new SplitLostError(split, `can't commit ${split} in epoch ${epoch}: the source is closed`);
    }
    await this.#theOpened("commit").commits.commit(split, epoch, next, signal);
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new DOMException("the source is closed", "AbortError"));
    }
    // Before the leases go: a leader would assign them to us again.
    await this.#published;
    await this.#opened?.coordinator.close();
    await this.#background.ended();
    this.#shards.clear();
    this.#closePorts();
  }

  /** What was given to the loop since it was last asked for, and how far behind the shards are now. */
  takeShardCounts(): ShardCounts[] {
    return this.#meter.take(this.#shards.readers());
  }

  /** Leases that are ours now. */
  get heldCount(): number {
    return this.#opened?.coordinator.held().length ?? 0;
  }

  get leaseCounts() {
    return this.#opened?.coordinator.counts;
  }

  #theOpened(what: string): Opened {
    if (this.#opened === null) throw new InvariantError(`${what} before open`);
    return this.#opened;
  }

  async #start(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#context;
    const { streamName, shardSyncIntervalMs, assignment: configured, failoverTimeMs } = this.#settings;
    const ports = this.#ports = await this.#connect(signal);
    if (this.#closing.signal.aborted) this.#closePorts();
    this.#closing.signal.throwIfAborted();
    const table = new LeaseTable(ports.store, this.workerId, runtime);
    const sync = await prepareStream(ports, { table, settings: this.#settings, runtime, signal });
    const assignment = new AssignmentWatch(ports.store, runtime, { configured, failoverTimeMs });
    await persistently("kinesis look at the fleet", () => assignment.look(signal), { runtime, signal });
    const { coordinator } = this.#opened = this.#assemble(ports, { table, handler, assignment });
    runtime.log.info("kinesis worker started", { stream: streamName, workerId: this.workerId });
    await persistently("kinesis take leases", () => coordinator.start(signal), { runtime, signal });
    this.#background.run(sync.loop(shardSyncIntervalMs, this.#closing.signal));
    this.#background.run(this.#meter.loop(() => this.#shards.readers(), this.#closing.signal));
    const row = new WorkerRow(ports.store, { workerId: this.workerId, runtime });
    this.#published = row.publish(() => assignment.current, signal);
    this.#background.run(assignment.loop(this.#closing.signal, () => this.#takeNow()));
    if (ports.publish !== undefined) this.#background.run(ports.publish(this, this.#closing.signal));
  }

  #assemble(
    { api }: KinesisPorts,
    { table, handler, assignment }: { table: LeaseTable; handler: SourceHandler; assignment: AssignmentWatch },
  ): Opened {
    const { runtime } = this.#context;
    const settings = this.#settings, shards = this.#shards;
    const gate = new ParentGate(table, runtime.clock, this.#tuning.parentPollMs);
    const coordinator = new LeaseCoordinator({
      table,
      runtime,
      workerId: this.workerId,
      failoverTimeMs: settings.failoverTimeMs,
      maxLeases: settings.maxLeases ?? Infinity,
      assignment: () => assignment.current,
      listener: {
        taken: (held) => this.#background.run(serving.serve(shards.add(held))),
        lost: (held) => this.#onLost(held),
        handoff: (held) => this.#onHandoff(held),
      },
    });
    const serving = new ShardServing({
      api,
      settings,
      context: this.#context,
      limits: this.#tuning,
      gate,
      shards,
      handler,
      onReady: () => this.#changed.notify(),
    });
    const commits = new ShardCommits({
      shards,
      shardEnd: new ShardEnd(api, table, runtime),
      runtime,
      lose: (held) => coordinator.lose(held),
      onEnded: (owned) => this.#onEnded(owned),
    });
    return { handler, gate, commits, coordinator };
  }

  #closePorts(): void {
    this.#ports?.api.close();
    this.#ports?.store.close();
    this.#ports = null;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  #deliver(owned: OwnedShard, limit: PollLimit): RecordBatch {
    const { held, split } = owned;
    const reader = owned.reader!;
    const batch = reader.take(limit);
    if (batch === "end") {
      owned.ended = true;
      this.#ended.add(split);
      return endBatch({ split, epoch: held.epoch, start: reader.delivered }, { gone: reader.shardGone });
    }
    this.#meter.count(held.key, batch.rowCount, batch.bytes.length);
    return batch;
  }

  #onLost(held: HeldLease): void {
    const owned = this.#shards.forget(held);
    if (owned?.assigned) this.#opened!.handler.lost([owned.split]);
  }

  async #onHandoff(held: HeldLease): Promise<void> {
    const owned = this.#shards.of(held);
    if (owned === undefined) return;
    if (owned.assigned) {
      if (owned.reader !== null) owned.reader.paused = true;
      await this.#opened!.handler.revoking([owned.split], this.#settings.handoffTimeoutMs);
    }
    this.#shards.forget(held);
  }

  #onEnded({ held, split }: OwnedShard): void {
    const { coordinator, gate } = this.#opened!;
    this.#shards.forget(held);
    coordinator.drop(held);
    this.#context.runtime.log.info("shard ended", { split, shard: splitPart(split) });
    gate.wake();
    this.#takeNow(); // its children are free
  }

  /** Looks at the leases now instead of at the next turn. */
  #takeNow(): void {
    this.#background.run(
      this.#opened!.coordinator.takeRound(this.#closing.signal).catch((error) => {
        if (!this.#closing.signal.aborted) failing(this.#context.runtime, "kinesis take leases", { error });
      }),
    );
  }
}
