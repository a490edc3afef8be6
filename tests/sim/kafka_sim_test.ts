import { assert } from "@std/assert";
import { KafkaWorld, type KafkaWorldOptions, type KafkaWorldResult } from "./kafka_world.ts";

/** SIM_SEED runs one seed again, SIM_RUNS sets how many seeds each scenario tries. */
const oneSeed = Deno.env.get("SIM_SEED");
const runs = Number(Deno.env.get("SIM_RUNS") ?? 3);

const QUIET: Omit<KafkaWorldOptions, "seed" | "strategy"> = {
  network: { error: 0, lostAnswer: 0, slow: 0 },
  workerCount: 3,
  partitionCount: 8,
  restart: 0,
  crash: 0,
  expel: 0,
  move: 0,
  outage: 0,
  grow: 0,
  drop: 0,
  expire: 0,
  staticMembers: false,
  refusal: 0,
  maxWriteMs: 1000,
  duplicates: true,
};
const BAD_NETWORK = { error: 0.05, lostAnswer: 0.05, slow: 0.05 };

function simulation(
  name: string,
  options: Partial<KafkaWorldOptions>,
  look: (results: KafkaWorldResult[]) => void = () => {},
  /** Seeds that found a fault once. */
  kept: readonly number[] = [],
): void {
  for (const strategy of ["range", "cooperative-sticky"] as const) {
    Deno.test(`${strategy}: ${name}`, async () => {
      const seeds = oneSeed === undefined
        ? [...Array.from({ length: runs }, (_, i) => 5000 + i), ...kept]
        : [Number(oneSeed)];
      const results: KafkaWorldResult[] = [];
      for (const seed of seeds) {
        try {
          results.push(await new KafkaWorld({ ...QUIET, ...options, seed, strategy }).run());
        } catch (cause) {
          throw new Error(`seed ${seed} (SIM_SEED=${seed} runs it again): ${(cause as Error).message}`, { cause });
        }
      }
      look(results);
    });
  }
}

simulation("members that restart, under load, store every record once", { restart: 0.1, duplicates: false });

simulation("members that restart while partitions are added and leaders move store every record once", {
  restart: 0.05,
  grow: 0.02,
  move: 0.1,
  maxWriteMs: 10_000,
  duplicates: false,
});

simulation("topics that are deleted while they are read cost no record of others and make none twice", {
  restart: 0.02,
  drop: 0.1,
  maxWriteMs: 5000,
  duplicates: false,
});

simulation("static members that restart store every record once", {
  restart: 0.1,
  staticMembers: true,
  duplicates: false,
});

simulation("records that expire before they are read cost no others, and make none twice", {
  restart: 0.03,
  expire: 0.3,
  maxWriteMs: 5000,
  duplicates: false,
});

simulation(
  "brokers that refuse for now, whatever happens beside, cost no record and make none twice",
  {
    restart: 0.08,
    refusal: 0.15,
    grow: 0.02,
    move: 0.1,
    drop: 0.05,
    maxWriteMs: 8000,
    duplicates: false,
  },
  undefined,
  [5020, 5038, 5148],
);

simulation("a bad network, brokers that go away and members that are expelled or killed lose nothing", {
  network: BAD_NETWORK,
  restart: 0.03,
  crash: 0.03,
  expel: 0.03,
  move: 0.1,
  outage: 0.05,
  grow: 0.01,
  drop: 0.02,
  expire: 0.02,
  refusal: 0.05,
  maxWriteMs: 5000,
}, (results) => assert(results.some(({ duplicates }) => duplicates > 0), "the faults did nothing"));

simulation("a target that is slower than the rebalance timeout loses nothing", {
  restart: 0.03,
  crash: 0.01,
  maxWriteMs: 90_000,
});
