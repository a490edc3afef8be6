import { assert, assertEquals } from "@std/assert";
import { World, type WorldFaults, type WorldOptions, type WorldResult } from "./world.ts";
import { simWorkerConfig } from "./worker_config.ts";

const NO_FAULTS: WorldFaults = {
  network: { error: 0, lostAnswer: 0, slow: 0 },
  move: 0,
  steal: 0,
  crash: 0,
  restart: 0,
  workerDeath: 0,
  late: 0,
  outage: 0,
};

/** SIM_SEED runs one seed again, SIM_RUNS sets how many seeds each scenario tries. */
const oneSeed = Deno.env.get("SIM_SEED");
const runs = Number(Deno.env.get("SIM_RUNS") ?? 5);

async function simulate(faults: Partial<WorldFaults>, options: Partial<WorldOptions> = {}): Promise<WorldResult[]> {
  const results: WorldResult[] = [];
  const seeds = oneSeed === undefined ? Array.from({ length: runs }, (_, i) => 1000 + i) : [Number(oneSeed)];
  for (const seed of seeds) {
    const world = new World({
      seed,
      processCount: 3,
      splitCount: 6,
      recordsPerSplit: 600,
      memoryByteLength: 8 << 20,
      workersPerProcess: 2,
      ...simWorkerConfig(seed),
      ...options,
      faults: { ...NO_FAULTS, ...faults },
    });
    try {
      results.push(await world.run());
    } catch (cause) {
      throw new Error(`seed ${seed} (SIM_SEED=${seed} runs it again): ${(cause as Error).message}`, { cause });
    }
  }
  return results;
}

const sum = (results: WorldResult[], field: keyof WorldResult) =>
  results.reduce((total, result) => total + result[field], 0);
const BAD_NETWORK = { error: 0.1, lostAnswer: 0.1, slow: 0.1 };

Deno.test("the loop writes every record once when nothing fails", async () => {
  const results = await simulate({});
  assertEquals(sum(results, "duplicates"), 0);
});

Deno.test("the loop writes every record once when the network fails", async () => {
  assertEquals(sum(await simulate({ network: BAD_NETWORK }), "duplicates"), 0);
});

Deno.test("the loop writes every record once when splits move cleanly and processes restart", async () => {
  await simulate({ network: { error: 0.02, lostAnswer: 0.02, slow: 0.02 }, move: 0.3, restart: 0.05 });
});

Deno.test("the loop loses nothing when splits are stolen", async () => {
  assert(
    sum(await simulate({ network: BAD_NETWORK, steal: 0.3, move: 0.1 }), "duplicates") > 0,
    "the faults did nothing",
  );
});

Deno.test("the loop loses nothing when processes vanish and workers die", async () => {
  const results = await simulate({
    network: BAD_NETWORK,
    crash: 0.1,
    restart: 0.05,
    move: 0.1,
    steal: 0.05,
    workerDeath: 0.0005,
  });
  assert(sum(results, "crashes") > 0, "nothing crashed");
});

Deno.test("the loop stays under its memory limit and goes on when the target is slow", async () => {
  const results = await simulate({ network: { error: 0.3, lostAnswer: 0.2, slow: 0.5 }, move: 0.1 }, {
    processCount: 1,
    memoryByteLength: 1 << 20,
    recordsPerSplit: 4000,
  });
  assert(sum(results, "pauses") > 0, "the source was never paused");
});
