/**
 * The world of the lease protocol's simulation: collectors (the real loop, the real source) with clocks of their own
 * over one stream, one table and one ledger of rows, from one seed. It looks at every write of the table and every read of a
 * shard, and counts at the end:
 *
 *  - no checkpoint passes a record that isn't stored, and none goes back;
 *  - a shard is SHARD_END only when all of it is stored and its children have leases;
 *  - a child is read only once its parents have ended;
 *  - once the faults stop, every record is stored within a bound of simulated time; once, when nothing was taken away.
 */
import { comparePositions } from "../../src/records/position.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { compareDecimals, isSentinel, positionAfter } from "../../src/source/kinesis/leases/checkpoint.ts";
import { type Lease, parseLease } from "../../src/source/kinesis/leases/lease.ts";
import type { Item } from "../../src/source/kinesis/leases/lease_store.ts";
import { DEFAULT_TUNING } from "../../src/source/kinesis/kinesis_source.ts";
import { type KinesisConfig, kinesisOptions } from "../../src/source/kinesis/options.ts";
import { type KinesisSettings, kinesisSettings } from "../../src/source/kinesis/settings.ts";
import { defaultConfig } from "../support/default_config.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { RowLedger } from "../support/row_ledger.ts";
import { CALM, type FaultRates } from "./faults.ts";
import { demand } from "./invariants.ts";
import type { Coverage } from "./profile.ts";
import { SimClock, SimTime, turn } from "./sim_clock.ts";
import { SimKinesisApi, type SimShard, SimStream } from "./sim_kinesis.ts";
import { SimLeaseStore, SimTable } from "./sim_lease_store.ts";

export interface KinesisWorldOptions {
  readonly seed: number;
  readonly network: Readonly<FaultRates>;
  readonly workerCount: number;
  readonly shardCount: number;
  /** Probabilities per second, until the faults stop. */
  readonly crash: number;
  readonly restart: number;
  readonly reshard: number;
  /** A process stands still for longer than its leases live. */
  readonly freeze: number;
  /** With a leader: it moves a shard. */
  readonly move: number;
  readonly assignment: "take" | "leader";
  readonly initialPosition?: KinesisSettings["initialPosition"];
  /** The records are pushed. */
  readonly fanOut?: boolean;
  /** Whether a record may be stored twice. */
  readonly duplicates: boolean;
  readonly coverage?: Coverage;
}

const FAILOVER_MS = 10_000;
const CALM_AFTER_MS = 120_000;
const RECOVERY_MS = 300_000;
const PERIOD_MS = 1000;

interface Process {
  readonly worker: KinesisWorker;
  readonly crash: AbortController;
  state: "running" | "stopping";
}

export interface KinesisWorldResult {
  readonly records: number;
  readonly duplicates: number;
  readonly shards: number;
  readonly writes: number;
  readonly simulatedMs: number;
  readonly deaths: number;
  /** Subscriptions that an older one kept from beginning, and older ones that were ended by a new one. */
  readonly refused: number;
  readonly takenOver: number;
}

export class KinesisWorld {
  readonly #options: KinesisWorldOptions;
  readonly #random: SeededRandom;
  readonly #time = new SimTime();
  readonly #table = new SimTable();
  readonly #ledger = new RowLedger();
  readonly #rates: FaultRates;
  readonly #processes: Process[] = [];
  readonly #stream: SimStream;
  #violation: unknown;
  #made = 0;
  #deaths = 0;
  /** With LATEST: the first record number that must be stored. */
  #firstDue = 1;

  constructor(options: KinesisWorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#rates = { ...options.network };
    this.#stream = new SimStream(options.shardCount, () => this.#serverNow());
    this.#table.onChange = (before, after) => this.#guard(() => this.#look(before, after));
  }

  /** Runs to the end. @throws what was found to be wrong. */
  async run(): Promise<KinesisWorldResult> {
    this.#produce(100);
    if (this.#options.initialPosition === "LATEST") this.#firstDue = Infinity;
    for (let i = 0; i < this.#options.workerCount; i++) this.#start();
    let nextMs = 0;
    this.#tick();
    while (!this.#done()) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#time.nowMs >= nextMs) {
        nextMs = this.#time.nowMs + PERIOD_MS;
        this.#happen();
      }
      if (!this.#time.step()) throw new Error("deadlock: nothing is waiting for the clock");
      const late = this.#time.nowMs > CALM_AFTER_MS + RECOVERY_MS;
      demand("itRecovers", { late, state: late ? this.#describe() : "" });
    }
    await this.#stopAll();
    return this.#count();
  }

  /** Time goes on even when no process is there. */
  #tick(): void {
    this.#time.add(this.#time.nowMs + PERIOD_MS, () => this.#tick());
  }

  #serverNow(): number {
    return 1_790_000_000_000 + Math.floor(this.#time.nowMs);
  }

  #done(): boolean {
    // Late writes have happened by then, and their writers have seen them.
    if (this.#time.nowMs < CALM_AFTER_MS + 3 * FAILOVER_MS) return false;
    return this.#missing().length === 0 && this.#stream.shards.every(({ id, open }) => {
      const item = this.#table.items.get(id);
      return open ? item !== undefined : item === undefined || item.checkpoint.S === "SHARD_END";
    });
  }

  #happen(): void {
    const calm = this.#time.nowMs > CALM_AFTER_MS;
    if (calm) Object.assign(this.#rates, CALM);
    if (!calm) {
      this.#produce(Math.floor(this.#random.next() * 20));
      this.#strike();
    }
    // From then on every worker has resolved what "latest" is.
    if (this.#firstDue === Infinity && this.#allResolved()) this.#firstDue = this.#stream.recordCount + 1;
    while (this.#processes.length < this.#options.workerCount) this.#start();
    if (this.#options.assignment === "leader") this.#assign(calm);
  }

  #allResolved(): boolean {
    const leases = this.#stream.openShards().map(({ id }) => this.#table.items.get(id));
    return leases.every((item) => item !== undefined);
  }

  #produce(count: number): void {
    const open = this.#stream.openShards();
    for (let i = 0; i < count; i++) this.#stream.put(open[Math.floor(this.#random.next() * open.length)]);
  }

  #strike(): void {
    const { crash, restart, reshard, freeze } = this.#options;
    const pick = <T>(items: readonly T[]): T => items[Math.floor(this.#random.next() * items.length)];
    const chance = (rate: number, fault: string) => {
      if (this.#random.next() >= rate) return false;
      this.#options.coverage?.count("kinesis", fault, "lease", this.#leaseState());
      return true;
    };
    if (chance(crash, "crash")) this.#crash(pick(this.#processes));
    if (chance(restart, "restart")) this.#stop(pick(this.#processes));
    if (chance(reshard, "reshard")) {
      const shard = pick(this.#stream.openShards());
      if (this.#random.next() < 0.5) this.#stream.split(shard);
      else this.#stream.merge(shard);
    }
    if (chance(freeze, "freeze")) this.#freeze(pick(this.#processes));
  }

  /** Of a lease by chance. */
  #leaseState(): string {
    const leases = [...this.#table.items.values()].map(parseLease);
    const lease = leases[Math.floor(this.#random.next() * leases.length)];
    if (lease === undefined) return "missing";
    if (lease.checkpoint.sequence === "SHARD_END") return "ended";
    if (lease.checkpointOwner !== undefined) return "handed-over";
    return lease.owner === undefined ? "free" : "owned";
  }

  #start(): void {
    const { assignment, initialPosition, fanOut = false } = this.#options;
    const crash = new AbortController();
    const random = new SeededRandom(Math.floor(this.#random.next() * 2 ** 32));
    const clock = new SimClock(this.#time, crash.signal, {
      skewMs: (random.next() - 0.5) * 86_400_000,
      drift: 1 + (random.next() - 0.5) * 0.02,
    });
    const network = { clock, random, rates: this.#rates };
    const config = defaultConfig<KinesisConfig>(kinesisOptions, {
      stream: "sim",
      assignment,
      enhancedFanOut: fanOut,
      failoverTimeMs: FAILOVER_MS,
      initialPosition: initialPosition ?? "TRIM_HORIZON",
    });
    const api = new SimKinesisApi(this.#stream, {
      network,
      nowMs: () => this.#serverNow(),
      onRead: (shard) => this.#guard(() => this.#lookAtRead(shard)),
    });
    const worker: KinesisWorker = new KinesisWorker({
      id: `worker-${++this.#made}`,
      settings: kinesisSettings(config),
      tuning: DEFAULT_TUNING,
      ledger: this.#ledger,
      runtime: { clock, random },
      connect: () => Promise.resolve({ api, store: new SimLeaseStore(this.#table, network, this.#time) }),
      beforeWrite: (signal) => clock.sleep(random.next() * (random.next() < 0.1 ? 5000 : 200), signal),
      unitMaxAgeMs: 2000,
    });
    const process: Process = { worker, crash, state: "running" };
    this.#processes.push(process);
    worker.ended.then((error) => {
      if (!crash.signal.aborted) this.#guard(() => demand("itGoesOn", { error }));
      this.#remove(process);
    });
  }

  #remove(process: Process): void {
    const at = this.#processes.indexOf(process);
    if (at >= 0) this.#processes.splice(at, 1);
  }

  #crash(process: Process | undefined): void {
    if (process === undefined) return;
    this.#deaths++;
    process.crash.abort();
    process.worker.kill();
    this.#remove(process);
  }

  #stop(process: Process | undefined): void {
    if (process === undefined || process.state !== "running") return;
    process.state = "stopping";
    void process.worker.stop();
  }

  /** Nothing of its reaches the outside, nor is answered, for a while; its clock goes on. */
  #freeze(_process: Process | undefined): void {
    const rates = { ...this.#rates };
    Object.assign(this.#rates, { error: 0.9, lostAnswer: 0.05, slow: 0.5 });
    this.#time.add(this.#time.nowMs + 5000 + this.#random.next() * 15_000, () => {
      if (this.#time.nowMs < CALM_AFTER_MS) Object.assign(this.#rates, rates);
    });
  }

  /** What the leader of a KCL 3 fleet does. */
  #assign(calm: boolean): void {
    const running = this.#processes.filter(({ state }) => state === "running").map(({ worker }) => worker.id);
    if (running.length === 0) return;
    const pick = () => running[Math.floor(this.#random.next() * running.length)];
    for (const [key, item] of [...this.#table.items]) {
      const lease = parseLease(item);
      if (lease === undefined || lease.checkpoint.sequence === "SHARD_END") continue;
      const lives = (id: string | undefined) => this.#processes.some(({ worker }) => worker.id === id);
      const owned = lives(lease.owner);
      const counter = { leaseCounter: { N: String(lease.counter + 1n) } };
      if (!owned) {
        const set = { ...counter, leaseOwner: { S: pick() } };
        this.#table.update(key, { when: {}, set, remove: lives(lease.checkpointOwner) ? [] : ["checkpointOwner"] });
      } else if (!calm && lease.checkpointOwner === undefined && this.#random.next() < this.#options.move) {
        const next = pick();
        if (next === lease.owner) continue;
        const set = { ...counter, leaseOwner: { S: next }, checkpointOwner: { S: lease.owner! } };
        this.#table.update(key, { when: {}, set });
      }
    }
  }

  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#violation ??= error;
    }
  }

  /** Every change of the table. */
  #look(beforeItem: Item | undefined, afterItem: Item | undefined): void {
    const before = beforeItem === undefined ? undefined : parseLease(beforeItem);
    if (afterItem === undefined) return this.#lookAtDelete(before!);
    const after = parseLease(afterItem);
    if (after === undefined) {
      return demand("leasesEndWell", { faults: [`no lease any more: ${JSON.stringify(afterItem)}`] });
    }
    if (before === undefined) return;
    demand("leasesEndWell", {
      faults: after.counter > before.counter ? [] : [`the counter of ${after.key} went back`],
    });
    const from = positionAfter(before.checkpoint), to = positionAfter(after.checkpoint);
    const goesBack = comparePositions(to, from) < 0;
    demand("commitsGoForward", { split: `${after.key} (${from} to ${to})`, before: 1n, next: goesBack ? 0n : 1n });
    if (to !== from) this.#lookAtCheckpoint(before, after);
  }

  #lookAtCheckpoint(before: Lease, { key, checkpoint, children }: Lease): void {
    const shard = this.#stream.get(key);
    const ended = checkpoint.sequence === "SHARD_END", unsafe: string[] = [];
    if (isSentinel(checkpoint) && !ended) return;
    for (const { sequence, arrivalMs } of shard.records) {
      if (!ended && compareDecimals(sequence, checkpoint.sequence) > 0) break;
      if (!isSentinel(before.checkpoint) && compareDecimals(sequence, before.checkpoint.sequence) <= 0) continue;
      if (before.startTimestampMs !== undefined && arrivalMs < before.startTimestampMs) continue;
      if (!this.#ledger.has(`sim/${key}`, `${sequence}:0`)) unsafe.push(sequence);
    }
    demand("committedIsDurable", { split: key, next: checkpoint.sequence, unsafe });
    if (!ended) return;
    const listed = this.#stream.shards.filter(({ parents }) => parents.includes(key)).map(({ id }) => id);
    const missing = listed.filter((id) => !this.#table.items.has(id) && !this.#deleted.has(id));
    const faults = missing.map((id) => `${key} ended, and ${id} has no lease`);
    if ([...children].sort().join() !== listed.sort().join()) faults.push(`${key} ended without its children`);
    demand("leasesEndWell", { faults });
  }

  readonly #deleted = new Set<string>();

  #lookAtDelete({ key, checkpoint }: Lease): void {
    demand("leasesEndWell", {
      faults: checkpoint.sequence === "SHARD_END" ? [] : [`${key} was deleted before its end`],
    });
    this.#deleted.add(key);
  }

  #lookAtRead({ id, parents }: SimShard): void {
    const unfinished: string[] = [];
    for (const parent of parents) {
      const item = this.#table.items.get(parent);
      if (item !== undefined && item.checkpoint.S !== "SHARD_END") {
        unfinished.push(`${parent} has not ended`);
      }
      if (this.#options.initialPosition !== undefined) continue;
      for (const { sequence } of this.#stream.get(parent).records) {
        if (!this.#ledger.has(`sim/${parent}`, `${sequence}:0`)) unfinished.push(`${sequence} of ${parent}`);
      }
    }
    demand("childrenAfterParents", { child: id, unfinished });
  }

  #missing(): string[] {
    const missing: string[] = [];
    for (let i = this.#firstDue; i <= this.#stream.recordCount; i++) {
      if (!this.#ledger.copies.has(`record ${i}`)) missing.push(`record ${i}`);
    }
    return missing;
  }

  async #stopAll(): Promise<void> {
    for (const process of this.#processes) this.#stop(process);
    while (this.#processes.length > 0) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      this.#time.step();
      demand("itRecovers", { late: this.#time.nowMs > CALM_AFTER_MS + 2 * RECOVERY_MS, state: "they don't stop" });
    }
    for (const item of this.#table.items.values()) {
      if (item.leaseOwner !== undefined && item.checkpoint.S !== "SHARD_END" && this.#options.assignment === "take") {
        demand("leasesEndWell", {
          faults: [`${item.leaseKey.S} is owned by ${item.leaseOwner.S} after all have stopped`],
        });
      }
    }
  }

  #describe(): string {
    const leases = [...this.#table.items.values()].map(({ leaseKey, leaseOwner, checkpoint }) =>
      `${leaseKey.S} ${leaseOwner?.S ?? "-"} ${checkpoint.S!.slice(-6)}`
    );
    return `${this.#missing().length} missing; ${leases.join(", ")}; ${this.#processes.length} processes`;
  }

  #count(): KinesisWorldResult {
    const { duplicates } = this.#ledger;
    demand("onceWhenNothingFailed", { mayRepeat: this.#options.duplicates, duplicates });
    return {
      records: this.#ledger.copies.size,
      duplicates: duplicates.length,
      shards: this.#stream.shards.length,
      writes: this.#table.writes,
      simulatedMs: this.#time.nowMs,
      deaths: this.#deaths,
      ...this.#stream.counts,
    };
  }
}
