import { withAbort } from "../runtime/abort.ts";
import { InvariantError } from "../runtime/errors.ts";
import { type Cut, emptyBatch, type PollLimit, type RecordBatch } from "../records/record_batch.ts";
import { type PlannedSplit, RANGE_EPOCH } from "../records/range.ts";
import type { RangeSource } from "../source/range_source.ts";
import type { Epoch, Position, SplitId } from "../records/position.ts";
import type { Source, SourceHandler } from "../source/source.ts";
import type { JobProgress } from "./job_file.ts";
import type { RateLimit } from "./rate_limit.ts";
import { Rotation, type RotationState } from "./rotation.ts";
import { UnitPlan } from "./unit_plan.ts";

export interface ReplaySourceOptions {
  readonly ranges: RangeSource;
  readonly splits: readonly PlannedSplit[];
  readonly unitByteLength: number;
  /** How far earlier processes got with this plan. */
  readonly progress: JobProgress;
  /** Null: as fast as it goes. */
  readonly rate: RateLimit | null;
  /** Makes the progress durable. Called after each unit, in order, one call at a time; the signal is the commit's. */
  save(progress: JobProgress, signal: AbortSignal): Promise<void>;
}

/** A unit that was cut and isn't durable yet: where its splits are then. */
interface CutUnit {
  readonly positions: ReadonlyMap<SplitId, Position>;
  readonly rotation: RotationState;
  /** Splits whose commit is still to come. */
  readonly waiting: Set<SplitId>;
  /** Settled when it is durable. */
  readonly durable: PromiseWithResolvers<void>;
  /** What its commits wait for, all of them for the same: a unit may have as many splits as there are files. */
  outcome: Promise<void> | null;
}

/**
 * The ranges of a plan as one source for the loop. The splits take turns in a fixed rotation (see UnitPlan), so that the
 * order of the records, the units and their names depend on the ranges alone; another process that goes on after a crash
 * begins with the first unit that wasn't durable, and writes the same objects again.
 */
export class ReplaySource implements Source {
  readonly cutsUnits = true;
  readonly #options: ReplaySourceOptions;
  readonly #plan: UnitPlan;
  readonly #rotation: Rotation;
  /** How far each split was returned by `poll`. */
  readonly #read = new Map<SplitId, Position>();
  readonly #begun = new Set<SplitId>();
  /** As in RecordBatch, of splits that have one. */
  readonly #logs = new Map<SplitId, string>();
  /** Of the unit that is being read. */
  #moved = new Set<SplitId>();
  readonly #cutUnits: CutUnit[] = [];
  readonly #positions: Map<SplitId, Position>;
  #current: PlannedSplit | null = null;
  #handler: SourceHandler | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ReplaySourceOptions) {
    this.#options = options;
    this.#plan = new UnitPlan(options.unitByteLength);
    this.#positions = new Map(options.progress.positions);
    this.#rotation = new Rotation(options.splits, options.progress.rotation);
  }

  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    this.#handler = handler;
    const { ranges, splits } = this.#options;
    await ranges.open(splits.filter(({ split }) => !this.#rotation.hasEnded(split)), signal);
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    if (this.#handler === null) throw new InvariantError("poll before open");
    const { ranges, rate } = this.#options;
    for (;;) {
      const current = this.#current ??= await this.#nextTurn();
      if (current === null) return this.#finish();
      await rate?.wait(signal);
      const batch = await ranges.read(current.split, this.#plan.limit(limit), signal);
      if (batch !== "end") return this.#deliver(batch);
      const cut = this.#endSplit(current.split);
      if (cut !== null) return this.#emptyBatch(current.split, cut);
    }
  }

  pause(): void {
    // Nothing is fetched beyond each split's own share, and nobody else waits for it.
  }

  resume(): void {}

  /** Resolves when the whole unit is durable: one that is in part would be written again under another name. */
  async commit(split: SplitId, _epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    const unit = this.#cutUnits.find(({ waiting, positions }) => waiting.has(split) && positions.get(split) === next);
    if (unit === undefined) throw new InvariantError(`commit of ${split} at ${next}, where no unit ends`);
    unit.waiting.delete(split);
    if (unit.waiting.size === 0) this.#settle(unit, signal);
    return await (unit.outcome ??= withAbort(unit.durable.promise, signal));
  }

  async close(): Promise<void> {
    await this.#saving.catch(() => {}); // whoever waits for it gets the error
    await this.#options.ranges.close();
  }

  /** Whether everything is read and durable. */
  get done(): boolean {
    return this.#cutUnits.length === 0 && this.#moved.size === 0 && this.#rotation.active().length === 0;
  }

  /** What turned out to be gone while it was read, by this process and those before it. */
  missing(): string[] {
    const { progress, ranges } = this.#options;
    return [...new Set([...progress.missing, ...ranges.missing?.() ?? []])];
  }

  /** How much of the splits' weights has been read, 0 to 1; NaN when there is nothing to read. */
  get share(): number {
    let done = 0, total = 0;
    for (const { split, weight } of this.#options.splits) {
      total += weight;
      if (this.#rotation.hasEnded(split)) done += weight;
      else if (this.#begun.has(split)) done += weight * this.#options.ranges.progress(split);
    }
    return done / total;
  }

  async #nextTurn(): Promise<PlannedSplit | null> {
    for (const planned of this.#rotation.active()) {
      if (this.#begun.has(planned.split)) continue;
      const position = this.#positions.get(planned.split) ?? planned.start;
      this.#begun.add(planned.split);
      await this.#handler!.assigned(planned.split, RANGE_EPOCH, position, { committed: true });
      this.#read.set(planned.split, position);
      this.#options.ranges.begin(planned, position);
    }
    return this.#rotation.next() ?? null;
  }

  #deliver(batch: RecordBatch): RecordBatch {
    const { split, offsets, rowCount, next } = batch;
    this.#read.set(split, next);
    if (batch.log !== undefined) this.#logs.set(split, batch.log);
    this.#moved.add(split);
    const byteLength = offsets[rowCount] - offsets[0];
    this.#options.rate?.spend(byteLength, rowCount);
    if (!this.#plan.add(byteLength, rowCount)) return batch;
    const cut = this.#endTurn();
    return cut === null ? batch : { ...batch, cut };
  }

  #endSplit(split: SplitId): Cut | null {
    this.#rotation.end(split);
    return this.#endTurn();
  }

  #endTurn(): Cut | null {
    this.#current = null;
    const cut = this.#plan.endTurn();
    if (cut === "unit") this.#cutUnit();
    return cut;
  }

  #cutUnit(): void {
    const positions = new Map(Array.from(this.#moved, (split) => [split, this.#read.get(split)!]));
    const durable = Promise.withResolvers<void>();
    this.#cutUnits.push({ positions, rotation: this.#rotation.state(), waiting: this.#moved, durable, outcome: null });
    this.#moved = new Set();
    this.#rotation.restart();
  }

  #finish(): "end" {
    if (this.#moved.size > 0) this.#cutUnit();
    return "end";
  }

  /** The cut came with the news that the split has ended, after its last batch. */
  #emptyBatch(split: SplitId, cut: Cut): RecordBatch {
    const position = this.#read.get(split)!;
    const log = this.#logs.get(split);
    return { ...emptyBatch(split, position, position), ...(log !== undefined && { log }), cut };
  }

  /** Units become durable in the order in which they were cut. */
  #settle(unit: CutUnit, signal: AbortSignal): void {
    for (const [split, position] of unit.positions) this.#positions.set(split, position);
    const progress = { positions: new Map(this.#positions), rotation: unit.rotation, missing: this.missing() };
    this.#saving = this.#saving.then(() => this.#options.save(progress, signal));
    this.#saving.catch(() => {}); // whoever waits for it gets the error
    this.#cutUnits.splice(this.#cutUnits.indexOf(unit), 1);
    unit.durable.resolve(this.#saving);
  }
}
