/**
 * The loop: poll -> dispatch to the pipeline -> write the unit -> commit.
 *
 *     open unit --flush--> waiting for its seals --> being written --> waiting for older units --> committed
 *
 * Batches go into the open unit. A trigger flushes it: its workers' builders are sealed, and the next batch opens the
 * next unit. Units are written as their seals come back, several at a time, and committed strictly in order, so that a
 * position is committed only when every row before it is durable. What is held in memory, in whatever state, counts
 * against one limit: at a share of it the open unit is flushed early, at the limit the source is paused.
 */
import { SplitTracker } from "./split_tracker.ts";
import { EventTimes } from "./event_times.ts";
import { Rejections } from "./rejections.ts";
import { UnitCommitter } from "./unit_committer.ts";
import { countOutput } from "../pipeline/count_output.ts";
import { Dispatcher, type SealTrigger } from "../pipeline/dispatcher.ts";
import type { SealedOutput } from "../pipeline/messages.ts";
import type { WorkerPort } from "../pipeline/port.ts";
import { type FlushTrigger, Unit } from "../pipeline/unit.ts";
import { Condition } from "../runtime/condition.ts";
import { FatalError, InvariantError, isAbort } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SchemaFeed } from "../schema/schema_feed.ts";
import type { Epoch, Position, SplitId } from "../records/position.ts";
import type { RecordBatch } from "../records/record_batch.ts";
import type { Source, SourceHandler } from "../source/source.ts";
import type { UnitWriter } from "../target/unit_writer.ts";

/** The loop's numbers, from the config and the machine. Durations in ms, sizes in bytes; Infinity means no limit. */
export interface CollectorLimits {
  /** Builders are sealed at this age. */
  readonly streamMaxAgeMs: number;
  /** All workers' builders together. */
  readonly streamMaxByteLength: number;
  /** A unit is flushed at this age, and at these sizes. */
  readonly unitMaxAgeMs: number;
  readonly unitMaxRecords: number;
  readonly unitMaxRecordByteLength: number;
  /** A unit is flushed when its largest object has this many bytes. */
  readonly objectMaxByteLength: number;
  /** All that is held in memory. */
  readonly memoryByteLength: number;
  /** From the wish to stop until everything uncommitted is dropped. */
  readonly shutdownTimeoutMs: number;
  /** Share of the latest records that may be rejected; any when absent. */
  readonly maxRejectedShare?: number;
}

export interface CollectorParts {
  readonly source: Source;
  readonly writer: UnitWriter;
  readonly ports: readonly WorkerPort[];
  readonly limits: CollectorLimits;
  readonly runtime: Runtime;
  /** Finds the schemas that batches need before workers get them; absent when records need none. */
  readonly schemas?: SchemaFeed;
  /** Whether rows go to objects by their event times. */
  readonly placesByTime?: boolean;
}

/** Batches are at most this large, so that no worker waits long and memory is counted finely. */
const POLL_BYTE_LENGTH = 1 << 20;
const POLL_ROWS = 300_000;
/** A worker's builders: large enough to compress well, small enough to spread one split over all workers. */
const SEAL_BYTE_LENGTH = 8 << 20;
/** Share of the memory limit at which the open unit is flushed early. */
const EARLY_FLUSH_RATIO = 0.6;
/** An early flush pays only when the open unit holds at least this share of the limit. */
const EARLY_FLUSH_LEAST_RATIO = 0.2;
/** Groups of rows that wait for their objects at the same time; with so many the unit is flushed. */
const MAX_OPEN_GROUPS = 10_000;
/** Ages are looked at this often at least. */
const TICK_MAX_MS = 250;

/** Where the source decides, these don't. */
const NO_LIMITS = {
  streamMaxAgeMs: Infinity,
  unitMaxAgeMs: Infinity,
  unitMaxRecords: Infinity,
  unitMaxRecordByteLength: Infinity,
  objectMaxByteLength: Infinity,
};

/** The source and the target have this long to close. */
const CLOSE_TIMEOUT_MS = 10_000;

/** Why polling ended. */
type PollOutcome =
  | { readonly trigger: "end" | "shutdown" }
  | { readonly trigger: "failure"; readonly error: unknown };

export class Collector implements SourceHandler {
  readonly #source: Source;
  readonly #writer: UnitWriter;
  readonly #schemas: SchemaFeed | undefined;
  readonly #limits: CollectorLimits;
  /** Whether the source decides where units end. */
  readonly #cuts: boolean;
  readonly #runtime: Runtime;
  readonly #dispatcher: Dispatcher;
  readonly #tracker = new SplitTracker();
  /** Ends everything at once: the first failure, or the shutdown deadline. */
  readonly #kill = new AbortController();
  /** Something changed: memory, backlog, ownership, a unit. */
  readonly #changed = new Condition();
  readonly #committer: UnitCommitter;
  readonly #rejections: Rejections;
  readonly #eventTimes: EventTimes;
  #open: Unit | null = null;
  #lastUnit = 0;
  #paused = false;
  /** Whether it was said that there are very many groups. */
  #saysManyGroups = false;

  constructor(parts: CollectorParts) {
    this.#source = parts.source;
    this.#writer = parts.writer;
    this.#cuts = parts.source.cutsUnits ?? false;
    this.#limits = this.#cuts ? { ...parts.limits, ...NO_LIMITS } : parts.limits;
    this.#runtime = parts.runtime;
    this.#schemas = parts.schemas;
    this.#rejections = new Rejections({ runtime: parts.runtime, maxShare: parts.limits.maxRejectedShare ?? Infinity });
    this.#eventTimes = new EventTimes({ log: parts.runtime.log, places: parts.placesByTime ?? false });
    this.#committer = new UnitCommitter({
      ...parts,
      tracker: this.#tracker,
      signal: this.#kill.signal,
      failed: (error) => this.#fail(error),
      done: () => this.#changed.notify(),
    });
    const { streamMaxByteLength, memoryByteLength } = parts.limits;
    const workerCount = parts.ports.length;
    const sealByteLength = Math.min(
      SEAL_BYTE_LENGTH,
      streamMaxByteLength / workerCount,
      memoryByteLength / workerCount / 4,
    );
    this.#dispatcher = new Dispatcher(
      parts.ports,
      {
        sealByteLength: this.#cuts ? Infinity : sealByteLength,
        backlogByteLength: 2 * sealByteLength,
        inBlocks: this.#cuts,
      },
      {
        sealed: (unit, seal, output) => this.#onSealed(unit, seal, output),
        sealing: (trigger: SealTrigger) => this.#runtime.metrics.count("collector_seals_total", 1, { trigger }),
        progress: () => this.#changed.notify(),
        failed: (error) => this.#fail(error),
      },
      parts.runtime.clock,
    );
  }

  /**
   * Collects until the source ends or `stop` aborts; then flushes and commits what is in memory.
   *
   * @throws the first failure; what was not committed then is read again after a restart.
   */
  async run(stop: AbortSignal): Promise<void> {
    const ended = new AbortController(), failed = new AbortController();
    const deadline = this.#enforceDeadline(AbortSignal.any([stop, failed.signal]), ended.signal);
    const ticking = this.#tick(ended.signal);
    try {
      const signal = AbortSignal.any([stop, this.#kill.signal]);
      const outcome = await this.#openAndPoll(signal, stop);
      if (outcome.trigger === "failure") failed.abort();
      // A part of a unit would be stored under a name that the whole never has: it is read again instead.
      if (!this.#cuts || outcome.trigger === "end") this.#flush(outcome.trigger);
      await this.#committer.idle();
      if (outcome.trigger === "failure") throw outcome.error;
      this.#throwFailure();
    } finally {
      ended.abort();
      await Promise.all([deadline, ticking]);
      if (!this.#kill.signal.aborted) this.#kill.abort(new FatalError("the collector has ended"));
      this.#dispatcher.close();
      await this.#close();
    }
  }

  async assigned(split: SplitId, epoch: Epoch, start: Position, options: { committed: boolean }): Promise<void> {
    const held = this.#tracker.epochOf(split);
    if (held !== undefined && this.#open?.has(split)) this.#flush("lost");
    this.#tracker.assign(split, epoch, start);
    if (held !== undefined) this.#committer.released();
    // Of a replay, which reads very many one after the other, its own lines say enough.
    const level = this.#cuts ? "debug" : "info";
    this.#runtime.log[level]("split assigned", { split, epoch, start, committed: options.committed });
    if (!options.committed) await this.#source.commit(split, epoch, start, this.#kill.signal);
  }

  async revoking(splits: readonly SplitId[], deadlineMs: number): Promise<void> {
    const epochs = splits.map((split) => this.#tracker.epochOf(split));
    for (const split of splits) this.#tracker.revoke(split);
    if (splits.some((split) => this.#open?.has(split))) this.#flush("revoke");
    const timeout = new AbortController();
    const expired = this.#runtime.clock.sleep(deadlineMs, timeout.signal).then(() => true, () => false);
    const written = this.#committer.settled(splits).then(() => false);
    if (await Promise.race([written, expired])) {
      this.#runtime.log.warn(
        "splits given up before what was read of them was written; the next owner reads it again",
        {
          splits: splits.join(" "),
          deadlineMs,
        },
      );
    }
    timeout.abort();
    // Meanwhile a split may have been lost and assigned again: only the epoch that was revoked ends.
    splits.forEach((split, i) => this.#tracker.release(split, epochs[i]));
    this.#committer.released();
  }

  lost(splits: readonly SplitId[]): void {
    for (const split of splits) this.#tracker.release(split, this.#tracker.epochOf(split));
    if (splits.some((split) => this.#open?.has(split))) this.#flush("lost");
    this.#committer.released();
    this.#runtime.log.warn("splits lost; nothing more is committed for them", { splits: splits.join(" ") });
  }

  /** Whoever doesn't close in time is left behind: nothing depends on it any more. */
  async #close(): Promise<void> {
    const timeout = new AbortController();
    this.#schemas?.close();
    const closed = Promise.allSettled([this.#source.close(), this.#writer.close()]);
    const late = this.#runtime.clock.sleep(CLOSE_TIMEOUT_MS, timeout.signal).then(() => true, () => false);
    if (await Promise.race([closed.then(() => false), late])) {
      this.#runtime.log.warn("the source or the target did not close in time", { timeoutMs: CLOSE_TIMEOUT_MS });
    }
    timeout.abort();
  }

  /** Polls until the end, the wish to stop or a failure of the source: what it delivered before is written even so. */
  async #openAndPoll(signal: AbortSignal, stop: AbortSignal): Promise<PollOutcome> {
    try {
      await this.#writer.open(signal);
      if (this.#schemas !== undefined) this.#dispatcher.updateSchemas(await this.#schemas.open(signal));
      await this.#source.open(this, signal);
      while (true) {
        await this.#waitForRoom(signal);
        const batch = await this.#source.poll({ maxBytes: this.#pollByteLength(), maxRows: POLL_ROWS }, signal);
        if (batch === "end") return { trigger: "end" };
        const parts = this.#schemas?.parts(batch, signal) ?? null;
        if (parts === null) await this.#accept(batch, signal);
        else for await (const part of parts) await this.#accept(part, signal);
        if (batch.cut === "unit") this.#flush("cut");
        else if (batch.cut === "block") this.#dispatcher.sealBlock();
      }
    } catch (error) {
      this.#throwFailure();
      if (stop.aborted && (error === stop.reason || isAbort(error))) return { trigger: "shutdown" };
      if (error instanceof InvariantError) throw error;
      return { trigger: "failure", error };
    }
  }

  #pollByteLength(): number {
    return Math.min(POLL_BYTE_LENGTH, Math.max(64 << 10, this.#limits.memoryByteLength / 16));
  }

  /** Puts the batch into the open unit, once its worker has room. */
  async #accept(batch: RecordBatch, signal: AbortSignal): Promise<void> {
    const schemas = await this.#schemas?.prepare(batch, signal) ?? null;
    if (schemas !== null) this.#dispatcher.updateSchemas(schemas);
    while (!this.#dispatcher.hasRoom(batch.split)) await this.#changed.wait(signal);
    if (!this.#tracker.accept(batch)) return; // given up while it waited: whoever owns it now reads it
    if (this.#open !== null && !this.#open.fits(batch)) this.#flush("lost");
    this.#open ??= new Unit(++this.#lastUnit, this.#runtime.clock.monotonicMs());
    const unit = this.#open;
    unit.add(batch);
    this.#runtime.metrics.count("collector_records_total", batch.rowCount);
    this.#runtime.metrics.count("collector_record_bytes_total", batch.offsets[batch.rowCount] - batch.offsets[0]);
    if (batch.gap !== undefined) this.#runtime.metrics.count("collector_gaps_total", 1, { reason: batch.gap.reason });
    this.#runtime.log.debug("read", {
      split: batch.split,
      start: batch.start,
      next: batch.next,
      records: batch.rowCount,
    });
    this.#dispatcher.dispatch(unit.id, batch);
    if (unit.recordCount >= this.#limits.unitMaxRecords) this.#flush("rows");
    else if (unit.recordByteLength >= this.#limits.unitMaxRecordByteLength) this.#flush("bytes");
  }

  /** Memory that counts against the limit, bytes. */
  get heldByteLength(): number {
    return this.#openHeldByteLength + this.#committer.heldByteLength;
  }

  get #openHeldByteLength(): number {
    return this.#dispatcher.heldByteLength + (this.#open?.heldByteLength ?? 0);
  }

  /** Only what is ready to be written counts here: what workers hold is bounded by their backlog. */
  async #waitForUnits(signal: AbortSignal): Promise<void> {
    const { memoryByteLength } = this.#limits;
    while (true) {
      const open = this.#open?.heldByteLength ?? 0;
      if (open + this.#committer.heldByteLength + this.#pollByteLength() <= memoryByteLength) return;
      if (this.#committer.size === 0) {
        throw new FatalError(
          `a single unit fills the ${memoryByteLength} bytes of memory for buffers: make units smaller or allow more memory`,
        );
      }
      await this.#changed.wait(signal);
    }
  }

  async #waitForRoom(signal: AbortSignal): Promise<void> {
    if (this.#cuts) return await this.#waitForUnits(signal);
    const { memoryByteLength } = this.#limits;
    while (true) {
      const held = this.heldByteLength;
      this.#runtime.metrics.gauge("collector_memory_held_bytes", held);
      const pays = this.#openHeldByteLength >= EARLY_FLUSH_LEAST_RATIO * memoryByteLength;
      if (held >= EARLY_FLUSH_RATIO * memoryByteLength && pays) this.#flush("memory");
      if (held + this.#pollByteLength() <= memoryByteLength) return this.#resume();
      if (this.#committer.size === 0) this.#flush("memory");
      if (this.#committer.size === 0) return this.#resume(); // nothing that a wait could free: one huge record
      this.#pause();
      await this.#changed.wait(signal);
    }
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#runtime.metrics.count("collector_pauses_total");
    this.#runtime.log.info("memory limit reached, source paused until writes catch up", {
      heldBytes: this.heldByteLength,
      limitBytes: this.#limits.memoryByteLength,
    });
    this.#source.pause(this.#tracker.splits());
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume(this.#tracker.splits());
  }

  /** Closes the open unit and sends it on its way; nothing happens when there is none. */
  #flush(trigger: FlushTrigger): void {
    const unit = this.#open;
    if (unit === null) return;
    this.#open = null;
    unit.trigger = trigger;
    this.#runtime.metrics.count("collector_flushes_total", 1, { trigger });
    this.#runtime.log.debug("flushing", { trigger, records: unit.recordCount, heldBytes: this.heldByteLength });
    this.#committer.push(unit);
    this.#dispatcher.sealUnit(unit.id);
    if (this.#dispatcher.pendingSeals(unit.id) === 0) this.#committer.sealed(unit.id);
  }

  /** Each group is an object: with very many of them, memory and requests go into objects of a few rows. */
  #flushGroups(unit: Unit): void {
    if (!this.#saysManyGroups) {
      const hours = Math.max(1, this.#runtime.clock.monotonicMs() - unit.openedAtMs) / 3_600_000;
      this.#runtime.log.warn(
        "target.key-template makes very many objects, each of few rows: leave out {hour}, {date} or {table}",
        { objects: unit.groupCount, objectsPerHour: Math.round(unit.groupCount / hours) },
      );
    }
    this.#saysManyGroups = true;
    this.#flush("groups");
  }

  #onSealed(unitId: number, seal: number, output: SealedOutput): void {
    countOutput(this.#runtime.metrics, output);
    this.#eventTimes.note(output.oddTimes ?? []);
    try {
      this.#rejections.note(output);
    } catch (error) {
      return this.#fail(error);
    }
    if (this.#open?.id === unitId) {
      this.#open.addOutput(seal, output);
      if (this.#open.largestObjectByteLength >= this.#limits.objectMaxByteLength) this.#flush("bytes");
      else if (this.#open.groupCount >= MAX_OPEN_GROUPS && !this.#cuts) this.#flushGroups(this.#open);
      return;
    }
    this.#committer.addOutput(unitId, seal, output);
    if (this.#dispatcher.pendingSeals(unitId) === 0) this.#committer.sealed(unitId);
  }

  /** Looks at the ages of builders and of the open unit until `signal` aborts. */
  async #tick(signal: AbortSignal): Promise<void> {
    const { streamMaxAgeMs, unitMaxAgeMs } = this.#limits;
    const periodMs = Math.max(5, Math.min(TICK_MAX_MS, streamMaxAgeMs / 4, unitMaxAgeMs / 4));
    while (!signal.aborted) {
      try {
        await this.#runtime.clock.sleep(periodMs, signal);
      } catch {
        return;
      }
      if (this.#open !== null && this.#runtime.clock.monotonicMs() - this.#open.openedAtMs >= unitMaxAgeMs) {
        this.#flush("age");
      }
      this.#dispatcher.sealAged(streamMaxAgeMs);
      this.#rejections.tick();
      this.#runtime.metrics.gauge("collector_memory_held_bytes", this.heldByteLength);
    }
  }

  async #enforceDeadline(stop: AbortSignal, ended: AbortSignal): Promise<void> {
    try {
      if (!stop.aborted) {
        await new Promise((resolve, reject) => {
          stop.addEventListener("abort", resolve, { once: true });
          ended.addEventListener("abort", reject, { once: true });
        });
      }
      await this.#runtime.clock.sleep(this.#limits.shutdownTimeoutMs, ended);
    } catch {
      return;
    }
    this.#fail(
      new FatalError("shutdown.timeout passed before everything was written; the rest is read again after a restart"),
    );
  }

  #fail(error: unknown): void {
    if (this.#kill.signal.aborted) return;
    this.#kill.abort(error);
    this.#changed.notify();
  }

  #throwFailure(): void {
    if (this.#kill.signal.aborted) throw this.#kill.signal.reason;
  }
}
