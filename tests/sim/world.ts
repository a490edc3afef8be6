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
import { Collector } from "../../src/loop/collector.ts";
import type { WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import { fileExtensionOf } from "../../src/encode/options.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { DeadLetterWriter } from "../../src/target/dead_letter_writer.ts";
import { parseKeyTemplate } from "../../src/encode/key_template.ts";
import { ObjectSink } from "../../src/target/object_sink.ts";
import { ObjectUnitWriter } from "../../src/target/object_unit_writer.ts";
import { CALM, type FaultRates } from "./faults.ts";
import { recordAt } from "./records.ts";
import { SimBroker, SimSource } from "./sim_broker.ts";
import { SimClock, SimTime, turn } from "./sim_clock.ts";
import { SimPort } from "./sim_port.ts";
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
      if (!this.#time.step()) throw new Error("deadlock: nothing is waiting for the clock");
      if (this.#time.nowMs > CALM_AFTER_MS + RECOVERY_MS) throw new Error(`no recovery: ${this.#describe()}`);
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
    const chance = (rate: number) => this.#random.next() < rate;
    const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(this.#random.next() * items.length)];
    if (chance(faults.move)) this.#move(pick(this.#broker.splits)!);
    if (chance(faults.steal)) this.#steal(pick(this.#broker.splits)!);
    if (chance(faults.crash)) this.#crash(pick(this.#processes));
    if (chance(faults.restart)) this.#stop(pick(this.#processes));
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
    const sink = new ObjectSink({ target: new SimObjectTarget(this.#bucket, network), writesInFlight: 4, runtime });
    const { compression } = worker.encode;
    const writer = new ObjectUnitWriter({
      sink,
      deadLetters: new DeadLetterWriter({ sink, prefix: "_dead-letters/", compression }),
      template: parseKeyTemplate(template),
      compression,
      extension: fileExtensionOf({ compression, fileExtension: undefined }),
      maxObjectByteLength: 40_000,
      manifests: true,
      runtime,
    });
    const deathRate = () => this.#time.nowMs > CALM_AFTER_MS ? 0 : faults.workerDeath;
    const ports = Array.from({ length: workersPerProcess }, () => new SimPort(worker, { clock, random, deathRate }));
    const limits = {
      streamMaxAgeMs: 500,
      streamMaxByteLength: memoryByteLength / 4,
      unitMaxAgeMs: 2000,
      unitMaxRecords: Infinity,
      unitMaxRecordByteLength: Infinity,
      objectMaxByteLength: 40_000,
      memoryByteLength,
      shutdownTimeoutMs: 20_000,
    };
    const collector = new Collector({ source, writer, ports, limits, runtime });
    const stop = new AbortController();
    const process: Process = { source, collector, metrics, stop, vanish, state: "running" };
    this.#processes.push(process);
    collector.run(stop.signal).then(() => this.#ended(process, undefined), (error) => this.#ended(process, error));
  }

  #ended(process: Process, error: unknown): void {
    if (error !== undefined) {
      this.#crashes++;
      this.#dirty = true;
      const expected = /worker died|shutdown.timeout/.test(String((error as Error)?.message));
      if (!expected) this.#violation ??= error;
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
      if (held > this.#options.memoryByteLength + MEMORY_SLACK_BYTES) throw new Error(`memory: ${held} bytes held`);
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

  #count(): WorldResult {
    let records = 0, duplicates = 0;
    for (const { id, first, end } of this.#broker.splits) {
      for (let position = first!; position < end; position++) {
        const record = recordAt(id, position);
        const rows = this.#bucket.copies(record.id, "data"), letters = this.#bucket.copies(record.id, "dead-letter");
        const [here, elsewhere] = record.fate === "row"
          ? [rows, letters]
          : record.fate === "dead-letter"
          ? [letters, rows]
          : [1, rows + letters];
        if (here < 1 || elsewhere > 0) {
          throw new Error(`${record.id} (${record.fate}): ${rows} rows, ${letters} dead letters`);
        }
        records++;
        duplicates += here - 1;
      }
    }
    if (!this.#dirty && duplicates > 0) throw new Error(`${duplicates} duplicates though nothing crashed`);
    this.#checkManifests();
    return {
      simulatedMs: this.#time.nowMs,
      records,
      duplicates,
      objects: this.#bucket.objects.size,
      crashes: this.#crashes,
      pauses: this.#pauses,
    };
  }

  #checkManifests(): void {
    const covered = new Map(this.#broker.splits.map(({ id }) => [id, new Set<number>()]));
    for (const { ranges, objects, deadLetters } of this.#bucket.manifests.values()) {
      const keys = [...objects.map(({ key }) => key), ...(deadLetters === null ? [] : [deadLetters.key])];
      const missing = keys.find((key) => !this.#bucket.objects.has(key));
      if (missing !== undefined) throw new Error(`a manifest names ${missing}, which doesn't exist`);
      for (const { split, start, next, records, rows, deadLetters, dropped } of ranges) {
        for (let position = Number(start); position < Number(next); position++) covered.get(split)!.add(position);
        const counted = rows + deadLetters + Object.values(dropped).reduce((sum, count) => sum + count, 0);
        if (records !== Number(next) - Number(start) || counted !== records) {
          throw new Error(`${split} [${start}, ${next}): counts don't add up`);
        }
      }
      const written = objects.reduce((sum, object) => sum + object.rows, 0);
      if (written !== ranges.reduce((sum, range) => sum + range.rows, 0)) {
        throw new Error("rows in objects and ranges differ");
      }
    }
    for (const { id, first, committed } of this.#broker.splits) {
      for (let position = first!; position < committed!; position++) {
        if (!covered.get(id)!.has(position)) throw new Error(`no manifest covers ${id} at ${position}`);
      }
    }
  }
}
