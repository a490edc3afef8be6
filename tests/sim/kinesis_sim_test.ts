import { assert } from "@std/assert";
import { KinesisWorld, type KinesisWorldOptions, type KinesisWorldResult } from "./kinesis_world.ts";

/** SIM_SEED runs one seed again, SIM_RUNS sets how many seeds each scenario tries. */
const oneSeed = Deno.env.get("SIM_SEED");
const runs = Number(Deno.env.get("SIM_RUNS") ?? 2);

const QUIET: Omit<KinesisWorldOptions, "seed"> = {
  network: { error: 0, lostAnswer: 0, slow: 0 },
  workerCount: 3,
  shardCount: 6,
  crash: 0,
  restart: 0,
  reshard: 0,
  freeze: 0,
  move: 0,
  assignment: "take",
  duplicates: true,
};
const BAD_NETWORK = { error: 0.1, lostAnswer: 0.1, slow: 0.1 };

async function simulate(options: Partial<KinesisWorldOptions>): Promise<KinesisWorldResult[]> {
  const results: KinesisWorldResult[] = [];
  const seeds = oneSeed === undefined ? Array.from({ length: runs }, (_, i) => 3000 + i) : [Number(oneSeed)];
  for (const seed of seeds) {
    try {
      results.push(await new KinesisWorld({ ...QUIET, seed, ...options }).run());
    } catch (cause) {
      throw new Error(`seed ${seed} (SIM_SEED=${seed} runs it again): ${(cause as Error).message}`, { cause });
    }
  }
  return results;
}

const sum = (results: KinesisWorldResult[], field: keyof KinesisWorldResult) =>
  results.reduce((total, result) => total + result[field], 0);

Deno.test("one worker after another writes every record once", async () => {
  await simulate({ workerCount: 1, restart: 0.05, reshard: 0.05, duplicates: false });
});

Deno.test("a worker loses nothing through a bad network", async () => {
  await simulate({
    workerCount: 1,
    restart: 0.05,
    reshard: 0.05,
    network: { error: 0.03, lostAnswer: 0.03, slow: 0.02 },
  });
});

Deno.test("workers that share, restart and see the stream reshard lose nothing", async () => {
  const results = await simulate({ restart: 0.05, reshard: 0.1 });
  assert(sum(results, "shards") > 6 * results.length);
});

Deno.test("workers that crash, with skewed clocks and a bad network, lose nothing", async () => {
  const results = await simulate({ crash: 0.03, restart: 0.03, reshard: 0.1, network: BAD_NETWORK });
  assert(sum(results, "deaths") > 0);
});

Deno.test("workers that can't reach the table for longer than their leases live lose nothing", async () => {
  await simulate({ freeze: 0.03, restart: 0.02, reshard: 0.05, network: BAD_NETWORK });
});

Deno.test("a leader that moves shards gets them flushed and handed over without a copy", async () => {
  await simulate({ assignment: "leader", move: 0.05, restart: 0.02, duplicates: false });
});

Deno.test("a leader that moves shards of workers that fail loses nothing", async () => {
  await simulate({ assignment: "leader", move: 0.05, restart: 0.02, crash: 0.02, reshard: 0.05, network: BAD_NETWORK });
});

Deno.test("LATEST stays where it was through crashes", async () => {
  await simulate({ initialPosition: "LATEST", crash: 0.05, network: BAD_NETWORK });
});

Deno.test("workers whose records are pushed, and who take subscriptions over from each other, lose nothing", async () => {
  const results = await simulate({
    fanOut: true,
    crash: 0.03,
    restart: 0.05,
    reshard: 0.05,
    network: { error: 0.03, lostAnswer: 0.03, slow: 0.02 },
  });
  assert(sum(results, "refused") > 0, "no subscription came too early");
  assert(sum(results, "takenOver") > 0, "no subscription was taken over");
});

Deno.test("pushed records come once when workers stop one after the other", async () => {
  await simulate({ fanOut: true, workerCount: 1, restart: 0.05, reshard: 0.05, duplicates: false });
});
