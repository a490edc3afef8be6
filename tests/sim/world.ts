/**
 * The world of the simulation: some collectors (the real loop, the real pipeline) over one broker and one bucket, on one
 * simulated time, all from one seed. First faults, then calm; then it counts:
 *
 *  - no position is committed before every record up to it is durable (looked at in every commit);
 *  - no object is overwritten with other rows; memory stays under its limit (looked at in every step);
 *  - once the faults stop, everything is committed within a bound of simulated time;
 *  - every record is where it belongs, and exactly once when nothing crashed, was lost or ran out of time;
 *  - manifests cover every committed position, and name only objects that exist.
 */
import type { Collector } from "../../src/loop/collector.ts";
import type { WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { CALM, type FaultRates } from "./faults.ts";
import { demand } from "./invariants.ts";
import { type Coverage, pick } from "./profile.ts";
import { recordAt } from "./records.ts";
import { SimBroker, SimSource } from "./sim_broker.ts";
import { SimClock, SimTime, turn } from "./sim_clock.ts";
import { counting, simCollector } from "./sim_collector.ts";
import { watchBatches } from "./watch_batches.ts";
import { SimBucket, SimObjectTarget } from "./sim_store.ts";

/** What may go wrong in a run, beside the network's FaultRates; each a probability per `EVENT_PERIOD_MS`. */
export interface WorldFaults {
  readonly network: Readonly<FaultRates>;
  /** A split moves cleanly to another process. */
  readonly move: number;
  /** A split moves without a word; its old owner learns of it later. */
  readonly steal: number;
  /** A process vanishes. */
  readonly crash: number;
  /** A process is asked to stop, and starts again. */
  readonly restart: number;
  /** Probability per message that a pipeline worker dies. */
  readonly workerDeath: number;
  /** Probability per put that it lands when nobody waits for it any more. */
  readonly late: number;
  /** The bucket takes nothing for some seconds. */
  readonly outage: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly faults: WorldFaults;
  readonly processCount: number;
  readonly splitCount: number;
  readonly recordsPerSplit: number;
  readonly memoryByteLength: number;
  readonly workersPerProcess: number;
  readonly worker: WorkerConfig;
  /** Of the objects' keys. */
  readonly template: string;
  readonly coverage?: Coverage;
}

const EVENT_PERIOD_MS = 500;
/** Faults stop here (simulated ms). */
const CALM_AFTER_MS = 60_000;
/** After the faults have stopped everything must be in within this time (simulated ms). */
const RECOVERY_MS = 120_000;
/** Memory may pass its limit by a poll or two: what is on its way when the limit is seen. */
const MEMORY_SLACK_BYTES = 256 << 10;

interface Process {
  readonly source: SimSource;
  readonly collector: Collector;
  readonly metrics: Metrics;
  readonly stop: AbortController;
  readonly vanish: AbortController;
  state: "running" | "stopping" | "ended";
  writing: number;
}

export interface WorldResult {
  readonly simulatedMs: number;
  readonly records: number;
  readonly duplicates: number;
  readonly objects: number;
  readonly crashes: number;
  readonly pauses: number;
}

export class World {
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  readonly #time = new SimTime();
  readonly #bucket = new SimBucket();
  readonly #broker: SimBroker;
  readonly #processes: Process[] = [];
  readonly #rates: FaultRates;
  #violation: unknown;
  #crashes = 0;
  #downUntilMs = 0;
  #pauses = 0;
  /** Something happened after which copies are allowed. */
  #dirty = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#broker = new SimBroker(this.#bucket, options.splitCount);
    this.#rates = { ...options.faults.network };
    for (const split of this.#broker.splits) split.end = Math.floor(this.#random.next() * 50);
  }

  /** Runs to the end. @throws what was found to be wrong. */
  async run(): Promise<WorldResult> {
    for (let i = 0; i < this.#options.processCount; i++) this.#start();
    let nextEventMs = 0;
    while (!(this.#time.nowMs > CALM_AFTER_MS && this.#broker.drained)) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      this.#checkMemory();
      if (this.#time.nowMs >= nextEventMs) {
        nextEventMs = this.#time.nowMs + EVENT_PERIOD_MS;
        this.#happen();
      }
      if (!this.#time.step()) {
        if (this.#processes.length > 0) throw new Error("deadlock: nothing is waiting for the clock");
        this.#time.add(nextEventMs, () => {}); // nobody runs before the next thing happens
      }
      const late = this.#time.nowMs > CALM_AFTER_MS + RECOVERY_MS;
      demand("itRecovers", { late, state: late ? this.#describe() : "" });
    }
    await this.#stopAll();
    return this.#count();
  }

  #happen(): void {
    const calm = this.#time.nowMs > CALM_AFTER_MS;
    if (calm) Object.assign(this.#rates, CALM);
    this.#produce(calm);
    if (!calm) this.#strike();
    while (this.#processes.length < this.#options.processCount) this.#start();
    this.#assignFree();
  }

  #produce(calm: boolean): void {
    const { recordsPerSplit } = this.#options;
    for (const split of this.#broker.splits) {
      const more = Math.floor(this.#random.next() * recordsPerSplit / 60);
      split.end = calm ? recordsPerSplit : Math.min(recordsPerSplit, split.end + more);
    }
  }

  #strike(): void {
    const { faults } = this.#options;
    const strikes = (fault: "move" | "steal" | "crash" | "restart" | "outage", process: Process | undefined) => {
      if (this.#random.next() >= faults[fault]) return false;
      this.#options.coverage?.count("loop", fault, "unit", stateOf(process));
      return true;
    };
    const split = pick(this.#random, this.#broker.splits), process = pick(this.#random, this.#processes);
    const owner = this.#processes.find(({ source }) => source === split.owner);
    if (strikes("move", owner)) this.#move(split);
    if (strikes("steal", owner)) this.#steal(split);
    if (strikes("crash", process)) this.#crash(process);
    if (strikes("restart", process)) this.#stop(process);
    if (strikes("outage", process)) this.#downUntilMs = this.#time.nowMs + this.#random.next() * 30_000;
  }

  #start(): void {
    const { worker, template, memoryByteLength, workersPerProcess, faults, seed } = this.#options;
    const random = new SeededRandom(Math.floor(this.#random.next() * 2 ** 32) ^ seed);
    const vanish = new AbortController();
    const clock = new SimClock(this.#time, vanish.signal, {
      skewMs: (random.next() - 0.5) * 600_000,
      drift: 1 + (random.next() - 0.5) * 0.02,
    });
    const metrics = new Metrics();
    const runtime = { clock, random, log: silentLog, metrics };
    const network = { clock, random, rates: this.#rates };
    const source = new SimSource(this.#broker, network, (error) => this.#violation ??= error);
    const stop = new AbortController();
    const counts = { writing: 0 };
    const target = new SimObjectTarget(this.#bucket, network, {
      time: this.#time,
      late: () => this.#time.nowMs > CALM_AFTER_MS ? 0 : faults.late,
      isDown: () => this.#time.nowMs < this.#downUntilMs,
      violated: (error) => this.#violation ??= error,
    });
    const collector = simCollector({
      source: watchBatches(source, (error) => this.#violation ??= error),
      target: counting(target, counts),
      runtime,
      worker,
      template,
      workerCount: workersPerProcess,
      memoryByteLength,
      deathRate: () => this.#time.nowMs > CALM_AFTER_MS ? 0 : faults.workerDeath,
    });
    const process: Process = Object.assign(counts, {
      source,
      collector,
      metrics,
      stop,
      vanish,
      state: "running" as const,
    });
    this.#processes.push(process);
    collector.run(stop.signal).then(() => this.#ended(process, undefined), (error) => this.#ended(process, error));
  }

  #ended(process: Process, error: unknown): void {
    if (error !== undefined) {
      this.#crashes++;
      this.#dirty = true;
      const expected = /worker died|shutdown.timeout/.test(String((error as Error)?.message));
      if (!expected) this.#guard(() => demand("itGoesOn", { error }));
    }
    this.#remove(process);
  }

  #remove(process: Process): void {
    process.state = "ended";
    this.#pauses += process.metrics.total("collector_pauses_total");
    const at = this.#processes.indexOf(process);
    if (at >= 0) this.#processes.splice(at, 1);
  }

  /** The process is gone at whatever await it stands: its clock never wakes it again. */
  #crash(process: Process | undefined): void {
    if (process === undefined) return;
    this.#crashes++;
    this.#dirty = true;
    process.vanish.abort();
    for (const split of this.#broker.splits) {
      if (split.owner !== process.source) continue;
      split.owner = undefined;
      split.epoch++;
      split.freeAtMs = this.#time.nowMs + this.#random.next() * 5000;
    }
    this.#remove(process);
  }

  #stop(process: Process | undefined): void {
    if (process === undefined || process.state !== "running") return;
    process.state = "stopping";
    process.stop.abort(new DOMException("stop", "AbortError"));
  }

  #move(split: SimBroker["splits"][number]): void {
    const owner = split.owner;
    if (owner === undefined || !owner.isOpen) return;
    const deadlineMs = this.#random.next() < 0.2 ? 50 : 15_000;
    const epoch = split.epoch;
    const startMs = this.#time.nowMs;
    owner.giveUp(split.id, deadlineMs).then(() => {
      if (this.#time.nowMs - startMs >= deadlineMs * 0.9) this.#dirty = true;
      if (split.owner === owner && split.epoch === epoch) split.owner = undefined;
    });
  }

  #steal(split: SimBroker["splits"][number]): void {
    const { owner, epoch } = split;
    if (owner === undefined || !owner.isOpen) return;
    this.#dirty = true;
    split.owner = undefined;
    split.epoch++;
    const tell = () => owner.learnOfLoss(split.id, epoch);
    this.#time.add(this.#time.nowMs + this.#random.next() * 5000, tell);
  }

  #assignFree(): void {
    const takers = this.#processes.filter(({ state, source }) => state === "running" && source.isOpen);
    if (takers.length === 0) return;
    for (const split of this.#broker.splits) {
      if (split.owner !== undefined || split.freeAtMs > this.#time.nowMs) continue;
      const { source } = takers[Math.floor(this.#random.next() * takers.length)];
      source.take(split.id).catch(() => {}); // the taker may lose it, or end, before it has committed the start
    }
  }

  #checkMemory(): void {
    for (const { collector } of this.#processes) {
      const held = collector.heldByteLength;
      const limitByteLength = this.#options.memoryByteLength + MEMORY_SLACK_BYTES;
      demand("memoryIsBounded", { heldByteLength: held, limitByteLength });
    }
  }

  async #stopAll(): Promise<void> {
    for (const process of this.#processes) this.#stop(process);
    while (this.#processes.length > 0) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#processes.length > 0 && !this.#time.step()) throw new Error("deadlock while stopping");
    }
  }

  #describe(): string {
    const splits = this.#broker.splits.map(({ id, committed, end, owner }) =>
      `${id} ${committed}/${end}${owner ? "" : " unowned"}`
    );
    return `${splits.join(", ")}; ${this.#processes.length} processes`;
  }

  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#violation ??= error;
    }
  }

  #count(): WorldResult {
    let records = 0;
    const misplaced: string[] = [], duplicates: string[] = [];
    for (const { id, first, end } of this.#broker.splits) {
      for (let position = first!; position < end; position++) {
        const record = recordAt(id, position);
        const rows = this.#bucket.copies(record.id, "data"), letters = this.#bucket.copies(record.id, "dead-letter");
        const [here, elsewhere] = record.fate === "row"
          ? [rows, letters]
          : record.fate === "dead-letter"
          ? [letters, rows]
          : [1, rows + letters];
        const found = `${record.id} (${record.fate}): ${rows} rows, ${letters} dead letters`;
        if (here < 1 || elsewhere > 0) misplaced.push(found);
        if (here > 1) duplicates.push(found);
        records++;
      }
    }
    demand("everythingIsStored", { misplaced });
    demand("onceWhenNothingFailed", { mayRepeat: this.#dirty, duplicates });
    this.#checkManifests();
    return {
      simulatedMs: this.#time.nowMs,
      records,
      duplicates: duplicates.length,
      objects: this.#bucket.objects.size,
      crashes: this.#crashes,
      pauses: this.#pauses,
    };
  }

  #checkManifests(): void {
    const covered = new Map(this.#broker.splits.map(({ id }) => [id, new Set<number>()]));
    const faults: string[] = [], names = new Map<string, string[]>();
    for (const [manifest, { unit, ranges, objects, deadLetters }] of this.#bucket.manifests) {
      const keys = [...objects.map(({ key }) => key), ...(deadLetters === null ? [] : [deadLetters.key])];
      demand("manifestsNameWhatExists", { manifest, missing: keys.filter((key) => !this.#bucket.objects.has(key)) });
      for (const { split, start, next, records, rows, deadLetters, dropped } of ranges) {
        for (let position = Number(start); position < Number(next); position++) covered.get(split)!.add(position);
        const counted = rows + deadLetters + Object.values(dropped).reduce((sum, count) => sum + count, 0);
        if (records !== Number(next) - Number(start) || counted !== records) {
          faults.push(`${split} [${start}, ${next}): counts don't add up`);
        }
      }
      const written = objects.reduce((sum, object) => sum + object.rows, 0);
      if (written !== ranges.reduce((sum, range) => sum + range.rows, 0)) {
        faults.push("rows in objects and ranges differ");
      }
      const range = JSON.stringify(ranges.map(({ split, start, next }) => [split, start, next]));
      names.set(range, [...names.get(range) ?? [], unit]);
    }
    for (const { id, first, committed } of this.#broker.splits) {
      for (let position = first!; position < committed!; position++) {
        if (!covered.get(id)!.has(position)) faults.push(`no manifest covers ${id} at ${position}`);
      }
    }
    demand("manifestsAddUp", { faults });
    for (const [range, called] of names) demand("sameUnitSameName", { range, names: called });
  }
}

/** What the process is about, as seen from outside. */
function stateOf(process: Process | undefined): string {
  if (process === undefined) return "nobody";
  if (process.state === "stopping") return "stopping";
  if (process.writing > 0) return "written";
  return process.collector.heldByteLength > 0 ? "held" : "empty";
}
