import type { SealedOutput, UnitId } from "../pipeline/messages.ts";
import type { Unit } from "../pipeline/unit.ts";
import { withAbort, withEitherSignal } from "../runtime/abort.ts";
import { SplitLostError } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Epoch, Position, SplitId } from "../records/position.ts";
import type { Source } from "../source/source.ts";
import type { UnitWriter, Written } from "../target/unit_writer.ts";
import type { SplitTracker } from "./split_tracker.ts";

/** Splits whose positions stand in the line of a flush. */
const MAX_TOLD_RANGES = 3;

/** A unit on its way. */
interface PendingUnit {
  readonly unit: Unit;
  /** Resolves when every seal has come back. */
  readonly seals: PromiseWithResolvers<void>;
  /** Aborts when nothing of the unit may be committed any more: its next owners write it. */
  readonly givenUp: AbortController;
  /** Settles when the unit is committed or given up; never rejects. */
  readonly done: Promise<void>;
}

export interface UnitCommitterParts {
  readonly source: Pick<Source, "commit" | "divert" | "cutsUnits">;
  readonly writer: Pick<UnitWriter, "write">;
  readonly tracker: SplitTracker;
  readonly runtime: Runtime;
  /** Ends all writes and commits at once. */
  readonly signal: AbortSignal;
  /** A write or commit failed for good. */
  failed(error: unknown): void;
  /** A unit is done: its memory is free. */
  done(): void;
}

/**
 * Flushed units on their way to their commit: each is written as soon as its seals are back, several at a time, and
 * committed strictly in the order in which they were flushed. So a position is committed only when every row before it is
 * durable; and only in the epoch in which it was read.
 */
export class UnitCommitter {
  readonly #parts: UnitCommitterParts;
  readonly #pending: PendingUnit[] = [];
  /** The commit of the last unit in line. */
  #lastCommit: Promise<void> = Promise.resolve();

  constructor(parts: UnitCommitterParts) {
    this.#parts = parts;
  }

  /** Units on their way. */
  get size(): number {
    return this.#pending.length;
  }

  /** Memory that they hold, bytes. */
  get heldByteLength(): number {
    return this.#pending.reduce((sum, { unit }) => sum + unit.heldByteLength, 0);
  }

  /** Takes over a flushed unit. `sealed` must be called when its last seal has come back. */
  push(unit: Unit): void {
    const seals = Promise.withResolvers<void>();
    const givenUp = new AbortController();
    const done = this.#finish(unit, seals.promise, givenUp.signal).catch((error) => this.#parts.failed(error)).finally(
      () => {
        this.#pending.splice(this.#pending.indexOf(pending), 1);
        this.#parts.done();
      },
    );
    const pending: PendingUnit = { unit, seals, givenUp, done };
    this.#pending.push(pending);
  }

  /** Adds what a seal brought. */
  addOutput(id: UnitId, seal: number, output: SealedOutput): void {
    this.#pending.find(({ unit }) => unit.id === id)?.unit.addOutput(seal, output);
  }

  /** Every seal of the unit is back. */
  sealed(id: UnitId): void {
    this.#pending.find(({ unit }) => unit.id === id)?.seals.resolve();
  }

  /** Splits were released: what can't be committed any more is written no further. */
  released(): void {
    for (const { unit, givenUp } of this.#pending) if (!this.#mayCommitAny(unit)) givenUp.abort();
  }

  #mayCommitAny(unit: Unit): boolean {
    return unit.some((split, epoch) => this.#parts.tracker.mayCommit(split, epoch));
  }

  /** Resolves when nothing of these splits is on its way any more, committed or given up. Never rejects. */
  async settled(splits: readonly SplitId[]): Promise<void> {
    await Promise.all(
      this.#pending.filter(({ unit }) => splits.some((split) => unit.has(split))).map(({ done }) => done),
    );
  }

  /** Resolves when nothing is on its way any more. Never rejects. */
  async idle(): Promise<void> {
    while (this.#pending.length > 0) await Promise.all(this.#pending.map(({ done }) => done));
  }

  /** Waits for the unit's seals, writes it, waits for the commits before it, commits it. */
  async #finish(unit: Unit, seals: Promise<void>, givenUp: AbortSignal): Promise<void> {
    const { runtime, signal } = this.#parts;
    const earlier = this.#lastCommit;
    const flushedAtMs = runtime.clock.monotonicMs();
    let written: Written | null = null;
    const committed = Promise.withResolvers<void>();
    this.#lastCommit = committed.promise;
    await withAbort(seals, signal);
    const ranges = unit.ranges();
    if (this.#mayCommitAny(unit)) written = await this.#write(unit, givenUp);
    await withAbort(earlier, signal);
    // One wait for all of them: with a listener each on the signal, a unit of 100,000 files took longer than an hour.
    await withAbort(Promise.all(ranges.map(({ split, epoch, next }) => this.#commit(split, epoch, next))), signal);
    committed.resolve();
    if (written !== null) this.#tell(unit, written, runtime.clock.monotonicMs() - flushedAtMs);
  }

  /** Null when everything of it was given up meanwhile: what isn't stored by then its next owners store. */
  async #write(unit: Unit, givenUp: AbortSignal): Promise<Written | null> {
    const { source, writer, runtime } = this.#parts;
    try {
      return await withEitherSignal([this.#parts.signal, givenUp], async (signal) => {
        const sealed = unit.toSealed();
        for (const { diverted } of sealed.outputs) {
          if (diverted !== undefined) await withAbort(source.divert!(diverted, signal), signal);
        }
        return await withAbort(writer.write(sealed, signal), signal);
      });
    } catch (error) {
      if (!givenUp.aborted || this.#parts.signal.aborted) throw error;
      runtime.log.warn("a unit is written no further: all its splits were given up", { records: unit.recordCount });
      return null;
    }
  }

  /** A replay has very many units, and lines of its own. */
  #tell(unit: Unit, { objects, rows, byteLength }: Written, tookMs: number): void {
    const { source, runtime } = this.#parts;
    const ranges = unit.ranges();
    const positions = ranges.slice(0, MAX_TOLD_RANGES).map(({ split, start, next }) => `${split} ${start}..${next}`);
    if (ranges.length > MAX_TOLD_RANGES) positions.push(`and ${ranges.length - MAX_TOLD_RANGES} more`);
    runtime.log[source.cutsUnits ? "debug" : "info"]("flushed", {
      trigger: unit.trigger,
      records: unit.recordCount,
      rows,
      objects,
      bytes: byteLength,
      tookMs: Math.round(tookMs),
      positions: positions.join(", "),
    });
  }

  async #commit(split: SplitId, epoch: Epoch, next: Position): Promise<void> {
    const { source, tracker, runtime, signal } = this.#parts;
    if (!tracker.mayCommit(split, epoch)) return;
    signal.throwIfAborted();
    try {
      await source.commit(split, epoch, next, signal);
      if (signal.aborted) return;
      tracker.committed(split, epoch, next);
      runtime.metrics.count("collector_commits_total");
    } catch (error) {
      if (!(error instanceof SplitLostError)) throw error;
      runtime.log.warn("split lost before its commit; the next owner reads it again", { split, epoch }, error);
      tracker.release(split, epoch);
      this.released();
    }
  }
}
