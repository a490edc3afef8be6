/**
 * The world of the consumer group's simulation: collectors (the real loop, the real source) over brokers that speak the
 * protocol in memory, on one simulated time, all from one seed. First faults, then calm; it looks at every commit and
 * counts at the end:
 *
 *  - no committed offset passes a record that is neither stored nor said to be lost, and none goes back;
 *  - once the faults stop, every record is stored and committed within a bound of simulated time; once, when nothing was
 *    killed, lost or late;
 *  - everybody stops when asked to, and leaves an empty group behind.
 */
import { type Logger, silentLog } from "../../src/runtime/log.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { type KafkaConfig, kafkaOptions } from "../../src/source/kafka/options.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka, type Fault } from "../support/kafka_broker.ts";
import { KafkaWorker } from "../support/kafka_worker.ts";
import { RowLedger } from "../support/row_ledger.ts";
import { demand } from "./invariants.ts";
import { Coverage } from "./profile.ts";
import { watchBatches } from "./watch_batches.ts";
import { CALM, type FaultRates } from "./faults.ts";
import { SimClock, SimTime, turn } from "./sim_clock.ts";
import { SimKafkaClient } from "./sim_kafka_client.ts";

export interface KafkaWorldOptions {
  readonly seed: number;
  readonly strategy: KafkaConfig["assignmentStrategy"];
  readonly network: Readonly<FaultRates>;
  readonly workerCount: number;
  readonly partitionCount: number;
  /** Probabilities per second, until the faults stop. */
  readonly restart: number;
  readonly crash: number;
  /** The group loses a member that goes on. */
  readonly expel: number;
  /** A partition's leader, or the group's coordinator, is another broker. */
  readonly move: number;
  /** A broker is down for some seconds. */
  readonly outage: number;
  /** The topic gets one more partition. */
  readonly grow: number;
  /** Another topic that is read is deleted, whatever is still to be read or committed of it; later there is a new one. */
  readonly drop: number;
  /** A partition's oldest records expire, read or not. */
  readonly expire: number;
  /** Members have names that stay the same over restarts. */
  readonly staticMembers: boolean;
  /** Probability per request that the broker refuses it for now. */
  readonly refusal: number;
  /** The longest that a unit takes to be stored, ms. */
  readonly maxWriteMs: number;
  /** Whether a record may be stored twice. */
  readonly duplicates: boolean;
  /** The most rows of a batch. */
  readonly maxPollRecords?: number;
  readonly coverage?: Coverage;
  readonly log?: Logger;
}

const CALM_AFTER_MS = 120_000;
const RECOVERY_MS = 300_000;
const PERIOD_MS = 1000;
const GROUP = "readers";
/** What brokers say in passing, by request. */
const REFUSALS: Partial<Record<number, readonly number[]>> = {
  [ApiKey.Metadata]: [ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.LEADER_NOT_AVAILABLE],
  [ApiKey.Fetch]: [
    ...[ErrorCode.OFFSET_OUT_OF_RANGE, ErrorCode.CORRUPT_MESSAGE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ...[ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.REPLICA_NOT_AVAILABLE, ErrorCode.KAFKA_STORAGE_ERROR],
    ...[ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH, ErrorCode.OFFSET_NOT_AVAILABLE],
  ],
  [ApiKey.ListOffsets]: [
    ...[ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE, ErrorCode.NOT_LEADER_OR_FOLLOWER],
    ...[ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.OFFSET_NOT_AVAILABLE],
  ],
  [ApiKey.OffsetCommit]: [
    ...[ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.REQUEST_TIMED_OUT],
    ...[ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR],
    ErrorCode.REBALANCE_IN_PROGRESS,
  ],
  [ApiKey.OffsetFetch]: [
    ...[ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR],
  ],
  [ApiKey.FindCoordinator]: [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.UNKNOWN_SERVER_ERROR],
  [ApiKey.JoinGroup]: [
    ...[ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.REBALANCE_IN_PROGRESS],
    ...[ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR],
  ],
  [ApiKey.SyncGroup]: [
    ...[ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE],
    ErrorCode.NOT_COORDINATOR,
  ],
  [ApiKey.Heartbeat]: [
    ...[ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR],
    ...[ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.UNKNOWN_SERVER_ERROR],
  ],
  [ApiKey.LeaveGroup]: [ErrorCode.COORDINATOR_NOT_AVAILABLE],
};
/** These cost the membership, and with it records come twice. */
const LOSSES: readonly number[] = [ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID];
const MEMBERS_REQUESTS: readonly number[] = [
  ...[ApiKey.JoinGroup, ApiKey.SyncGroup, ApiKey.Heartbeat, ApiKey.OffsetCommit],
];

interface Process {
  readonly worker: KafkaWorker;
  readonly name: string;
  readonly crash: AbortController;
  stopping: boolean;
}

export interface KafkaWorldResult {
  readonly records: number;
  readonly duplicates: number;
  readonly generations: number;
  readonly simulatedMs: number;
}

export class KafkaWorld {
  readonly #options: KafkaWorldOptions;
  readonly #random: SeededRandom;
  readonly #time = new SimTime();
  readonly #cluster: FakeKafka;
  readonly #ledger = new RowLedger();
  readonly #rates: FaultRates;
  readonly #processes: Process[] = [];
  readonly #committed = new Map<string, bigint>();
  readonly #expired = new Set<string>();
  #violation: unknown;
  #calm = false;
  /** The topic that comes and goes has another name each time. */
  #passing = 0;

  constructor(options: KafkaWorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#rates = { ...options.network };
    this.#cluster = new FakeKafka({
      brokers: 3,
      timers: {
        start: (run, durationMs) => {
          const sleeper = this.#time.add(this.#time.nowMs + durationMs, run);
          return () => this.#time.remove(sleeper);
        },
      },
    });
    this.#cluster.fault = ({ apiKey }) => this.#fault(apiKey);
    this.#cluster.createTopic("events", options.partitionCount);
    this.#cluster.group(GROUP).onCommit = (split, offset) => this.#look(split, offset);
  }

  /** Runs to the end. @throws what was found to be wrong. */
  async run(): Promise<KafkaWorldResult> {
    let nextMs = 0;
    this.#tick();
    while (!this.#done()) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#time.nowMs >= nextMs) {
        nextMs = this.#time.nowMs + PERIOD_MS;
        this.#happen();
      }
      this.#time.step();
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

  #fault(apiKey: number): Fault {
    const { refusal, duplicates } = this.#options;
    if (this.#calm || this.#random.next() >= refusal) return undefined;
    if (duplicates && MEMBERS_REQUESTS.includes(apiKey) && this.#random.next() < 0.05) {
      return LOSSES[Math.floor(this.#random.next() * LOSSES.length)];
    }
    const codes = REFUSALS[apiKey] ?? [];
    return codes[Math.floor(this.#random.next() * codes.length)];
  }

  #logs() {
    return this.#cluster.topics.get("events")!.map((log, partition) => ({ log, split: `events/${partition}` }));
  }

  #done(): boolean {
    if (this.#time.nowMs < CALM_AFTER_MS) return false;
    return this.#logs().every(({ log, split }) => this.#committed.get(split) === BigInt(log.end));
  }

  #happen(): void {
    if (this.#time.nowMs <= CALM_AFTER_MS) {
      this.#produce();
      this.#strike();
    } else if (!this.#calm) {
      this.#calm = true;
      Object.assign(this.#rates, CALM);
      for (const { nodeId } of this.#cluster.brokers) this.#cluster.broker(nodeId).start();
    }
    // One after the other, as after a deploy.
    if (this.#processes.length < this.#options.workerCount) this.#start();
  }

  #produce(): void {
    for (const { log, split } of this.#logs()) {
      const count = Math.floor(this.#random.next() * 4);
      log.values(Array.from({ length: count }, (_, i) => `${split}#${log.end + i}`));
    }
    this.#cluster.topics.get(`passing-${this.#passing}`)?.forEach((log) => log.values(["passing"]));
  }

  #strike(): void {
    const { restart, crash, expel, move, outage, grow, drop, expire } = this.#options;
    const pick = <T>(items: readonly T[]): T => items[Math.floor(this.#random.next() * items.length)];
    const names = new Map(Object.entries(this.#options).map(([name, rate]) => [rate, name]));
    const chance = (rate: number) => {
      if (this.#random.next() >= rate) return false;
      this.#options.coverage?.count("kafka", names.get(rate)!, "group", this.#cluster.group(GROUP).state);
      return true;
    };
    const anyBroker = () => pick(this.#cluster.brokers).nodeId;
    const group = this.#cluster.group(GROUP);
    if (chance(restart) && this.#processes.length > 0) this.#stop(pick(this.#processes));
    if (chance(crash) && this.#processes.length > 0) this.#crash(pick(this.#processes));
    if (chance(expel) && group.members.size > 0) group.expel(pick([...group.members.keys()]));
    if (chance(move)) pick(this.#logs()).log.leader = anyBroker();
    if (chance(move)) this.#cluster.coordinator = anyBroker();
    if (chance(grow)) this.#cluster.createTopic("events", this.#logs().length + 1);
    if (chance(expire)) {
      const { log, split } = pick(this.#logs());
      const before = log.start + Math.floor(this.#random.next() * (log.end - log.start));
      for (let at = log.start; at < before; at++) this.#expired.add(`${split}#${at}`);
      log.deleteBefore(before);
    }
    if (chance(drop) && !this.#cluster.topics.delete(`passing-${this.#passing}`)) {
      this.#cluster.createTopic(`passing-${++this.#passing}`, 3);
    }
    if (chance(outage)) {
      const broker = pick(this.#cluster.brokers);
      broker.stop();
      this.#time.add(this.#time.nowMs + this.#random.next() * 15_000, () => broker.start());
    }
  }

  #start(): void {
    const crash = new AbortController();
    const random = new SeededRandom(Math.floor(this.#random.next() * 2 ** 32));
    const clock = new SimClock(this.#time, crash.signal, {
      skewMs: (random.next() - 0.5) * 600_000,
      drift: 1 + (random.next() - 0.5) * 0.02,
    });
    const { strategy, maxWriteMs, staticMembers, workerCount, log = silentLog } = this.#options;
    const names = Array.from({ length: workerCount }, (_, i) => `collector-${i}`);
    const name = names.find((one) => !this.#processes.some(({ name }) => name === one))!;
    const config = defaultConfig<KafkaConfig>(kafkaOptions, {
      nodes: ["sim"],
      topic: "events|passing-.*",
      groupId: GROUP,
      offset: "earliest",
      assignmentStrategy: strategy,
      groupInstanceId: staticMembers ? name : undefined,
      sessionTimeoutMs: 12_000,
      requestTimeoutMs: 3000,
      rebalanceTimeoutMs: 30_000,
      metadataMaxAgeMs: 5000,
      maxPollRecords: this.#options.maxPollRecords ?? kafkaOptions.maxPollRecords.defaultValue,
    });
    const worker = new KafkaWorker({
      config,
      client: new SimKafkaClient(this.#cluster, { clock, random, rates: this.#rates }),
      ledger: this.#ledger,
      runtime: { clock, random, log },
      beforeWrite: (signal) => clock.sleep(random.next() * (this.#calm ? 100 : maxWriteMs), signal),
      unitMaxAgeMs: 2000,
      shutdownTimeoutMs: 60_000,
      watch: (source) => watchBatches(source, (error) => this.#violation ??= error),
    });
    const process: Process = { name, worker, crash, stopping: false };
    this.#processes.push(process);
    worker.ended.then((error) => {
      const slow = this.#options.duplicates && /shutdown\.timeout/.test(String((error as Error)?.message));
      if (!crash.signal.aborted && !slow) this.#guard(() => demand("itGoesOn", { error }));
      this.#remove(process);
    });
  }

  #remove(process: Process): void {
    const at = this.#processes.indexOf(process);
    if (at >= 0) this.#processes.splice(at, 1);
  }

  #crash(process: Process): void {
    process.crash.abort();
    process.worker.kill();
    this.#remove(process);
  }

  #stop(process: Process): void {
    if (process.stopping) return;
    process.stopping = true;
    process.worker.stop();
  }

  /** Every commit. */
  #look(split: string, offset: bigint): void {
    if (split.startsWith("passing")) return;
    const before = this.#committed.get(split) ?? 0n, isFirst = !this.#committed.has(split);
    const unsafe: string[] = [];
    for (let at = before; at < offset; at++) {
      const id = `${split}#${at}`,
        isGone = this.#expired.has(id) && (isFirst || this.#ledger.isLost(split, String(at)));
      if (!this.#ledger.copies.has(id) && !isGone) unsafe.push(id);
    }
    this.#guard(() => {
      demand("commitsGoForward", { split, before, next: offset });
      demand("committedIsDurable", { split, next: String(offset), unsafe });
    });
    this.#committed.set(split, offset);
  }

  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#violation ??= error;
    }
  }

  async #stopAll(): Promise<void> {
    for (const process of this.#processes) this.#stop(process);
    const endMs = this.#time.nowMs + RECOVERY_MS;
    while (this.#processes.length > 0) {
      await turn();
      if (this.#violation !== undefined) throw this.#violation;
      this.#time.step();
      demand("itRecovers", { late: this.#time.nowMs > endMs, state: "they don't stop" });
    }
  }

  #describe(): string {
    const splits = this.#logs().map(({ log, split }) => `${split} ${this.#committed.get(split) ?? "-"}/${log.end}`);
    const { state, generation, members } = this.#cluster.group(GROUP);
    return `${splits.join(", ")}; group ${state} in ${generation} with ${[...members.keys()].join(" ")}`;
  }

  #count(): KafkaWorldResult {
    const duplicates = this.#ledger.duplicates.filter((value) => value !== "passing");
    demand("onceWhenNothingFailed", { mayRepeat: this.#options.duplicates, duplicates });
    return {
      records: this.#ledger.copies.size,
      duplicates: duplicates.length,
      generations: this.#cluster.group(GROUP).generation,
      simulatedMs: this.#time.nowMs,
    };
  }
}
