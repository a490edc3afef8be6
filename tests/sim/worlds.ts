/** The worlds by name: what a seed makes of each, and which faults it can bring. */
import { FILE_FAULTS, FileWorld } from "./file_world.ts";
import { KafkaWorld } from "./kafka_world.ts";
import { KinesisWorld } from "./kinesis_world.ts";
import { type Coverage, profileOf } from "./profile.ts";
import { simWorkerConfig } from "./worker_config.ts";
import { World } from "./world.ts";

export interface NamedWorld {
  readonly doc: string;
  /** Runs a seed's world to its end. @throws Violation; anything else is a fault of the simulation itself. */
  run(seed: number, coverage: Coverage): Promise<unknown>;
}

function some(rate: number, of: number): number {
  return Math.min(1, rate) * of;
}

/** Of the loop; each `EVENT_PERIOD_MS`, the network's a call. */
const LOOP_FAULTS = {
  ...{ error: 0.3, lostAnswer: 0.2, slow: 0.3, move: 0.3, steal: 0.3, crash: 0.1, restart: 0.05 },
  ...{ workerDeath: 0.0005, late: 0.1, outage: 0.03, narrow: 1 },
};

/** Of the group; each second, `refusal` and the network's a request; `slowTarget` and `staticMembers` hold or don't. */
const KAFKA_FAULTS = {
  ...{ restart: 0.1, crash: 0.03, expel: 0.03, move: 0.1, outage: 0.05, grow: 0.02, drop: 0.1, expire: 0.3 },
  ...{ refusal: 0.15, error: 0.05, lostAnswer: 0.05, slow: 0.05, slowTarget: 1, staticMembers: 1 },
};

/** Of the leases. */
const KINESIS_FAULTS = {
  ...{ crash: 0.05, restart: 0.05, reshard: 0.1, freeze: 0.03, move: 0.05 },
  ...{ error: 0.1, lostAnswer: 0.1, slow: 0.1 },
};

export const WORLDS: Readonly<Record<string, NamedWorld>> = {
  loop: {
    doc: "the loop, pipeline and writer over a source and a bucket that fail in every way their contracts allow",
    run(seed, coverage) {
      const { narrow, error, lostAnswer, slow, ...faults } = profileOf(seed, LOOP_FAULTS);
      const isNarrow = narrow > 0.5;
      return new World({
        seed,
        faults: { network: { error, lostAnswer, slow }, ...faults },
        processCount: isNarrow ? 1 : 3,
        splitCount: 6,
        recordsPerSplit: isNarrow ? 2500 : 500,
        memoryByteLength: isNarrow ? 1 << 20 : 8 << 20,
        workersPerProcess: 1 + seed % 2,
        ...simWorkerConfig(seed),
        coverage,
      }).run();
    },
  },
  files: {
    doc: "the file source, its checkpoint and the file target on a disk that forgets what was not synced",
    run: (seed, coverage) => new FileWorld({ seed, faults: profileOf(seed, FILE_FAULTS), coverage }).run(),
  },
  kafka: {
    doc: "a consumer group over brokers that move, refuse, go away, delete topics and let records expire",
    run(seed, coverage) {
      const { error, lostAnswer, slow, slowTarget, staticMembers, ...faults } = profileOf(seed, KAFKA_FAULTS);
      const { crash, expel, outage } = faults;
      return new KafkaWorld({
        seed,
        strategy: seed % 2 === 0 ? "range" : "cooperative-sticky",
        network: { error, lostAnswer, slow },
        workerCount: 3,
        partitionCount: 8,
        ...faults,
        staticMembers: staticMembers > 0.5,
        maxWriteMs: slowTarget > 0.5 ? 90_000 : 1000 + some(slowTarget, 9000),
        maxPollRecords: 1 + Math.floor(seed / 2) % 4 * 3,
        duplicates: crash + expel + outage + error + lostAnswer + slow > 0 || slowTarget > 0.5,
        coverage,
      }).run();
    },
  },
  kinesis: {
    doc:
      "workers that share shards by a lease table, alone or under a leader, read or pushed, while the stream reshards",
    run(seed, coverage) {
      const { error, lostAnswer, slow, ...faults } = profileOf(seed, KINESIS_FAULTS);
      const leader = seed % 4 === 1, { crash, reshard, freeze } = faults;
      const alone = seed % 4 === 2;
      return new KinesisWorld({
        seed,
        ...faults,
        network: { error, lostAnswer, slow },
        workerCount: alone ? 1 : 3,
        shardCount: 6,
        assignment: leader ? "leader" : "take",
        fanOut: seed % 8 === 3,
        initialPosition: seed % 16 === 4 ? "LATEST" : undefined,
        duplicates: crash + freeze + error + lostAnswer + slow > 0 || !alone && !(leader && reshard === 0),
        coverage,
      }).run();
    },
  },
};
