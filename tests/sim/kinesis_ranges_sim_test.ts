/**
 * Ranges of a stream that reshards, whose arrival times are a little out of order, over a network that fails; from a seed.
 * Ranges next to each other must have every record once, and a range must be the same when it is read again later.
 */
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../src/runtime/random.ts";
import { KinesisRanges } from "../../src/source/kinesis/ranges/kinesis_ranges.ts";
import { type KinesisConfig, kinesisOptions } from "../../src/source/kinesis/options.ts";
import { kinesisSettings } from "../../src/source/kinesis/settings.ts";
import type { RangePlan } from "../../src/records/range.ts";
import { defaultConfig } from "../support/default_config.ts";
import { readPlan, type ReadSplit, valuesOf } from "../support/kinesis_range_reader.ts";
import { aggregate } from "../support/kpl.ts";
import { testRuntime } from "../support/stored_object.ts";
import type { FaultRates } from "./faults.ts";
import { SimClock, SimTime } from "./sim_clock.ts";
import { SimKinesisApi, SimStream } from "./sim_kinesis.ts";
import { SimLeaseStore, SimTable } from "./sim_lease_store.ts";

const oneSeed = Deno.env.get("SIM_SEED");
const runs = Number(Deno.env.get("SIM_RUNS") ?? 3);
const EPOCH_MS = 1_790_000_000_000;
/** Arrival times are off by so much at the most; ranges are looked for from 5 s before on. */
const JITTER_MS = 4_000;
const NEVER = new AbortController().signal;

class RangeWorld {
  readonly random: SeededRandom;
  readonly time = new SimTime();
  readonly stream: SimStream;
  readonly values: string[] = [];
  readonly #rates: FaultRates;

  constructor(seed: number, rates: FaultRates) {
    this.random = new SeededRandom(seed);
    this.#rates = rates;
    this.stream = new SimStream(3, () => this.nowMs);
  }

  get nowMs(): number {
    return EPOCH_MS + Math.floor(this.time.nowMs);
  }

  /** Records, splits and merges over the next so many seconds. */
  live(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      for (let count = Math.floor(this.random.next() * 12); count > 0; count--) this.#put();
      if (this.random.next() < 0.08) this.#reshard();
      this.time.nowMs += 1000;
    }
  }

  /** Runs a job of its own in simulated time. */
  run<T>(job: (ranges: KinesisRanges) => Promise<T>): Promise<T> {
    const clock = new SimClock(this.time, NEVER, { skewMs: 1e6, drift: 1.001 });
    const runtime = testRuntime({ clock, random: this.random });
    const network = { clock, random: this.random, rates: this.#rates };
    const api = new SimKinesisApi(this.stream, { network, nowMs: () => this.nowMs, onRead() {} });
    const config = defaultConfig<KinesisConfig>(kinesisOptions, { stream: "sim", prefetchByteLength: 1 << 20 });
    const store = new SimLeaseStore(new SimTable(), network, this.time);
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
    const ranges = new KinesisRanges(kinesisSettings(config), context, {
      connect: () => Promise.resolve({ api, store }),
    });
    return this.time.drive(job(ranges).finally(() => ranges.close()));
  }

  #put(): void {
    const open = this.stream.openShards();
    const shard = open[Math.floor(this.random.next() * open.length)];
    const count = this.random.next() < 0.2 ? 3 : 1;
    const users = Array.from({ length: count }, (_, i) => `${this.values.length + i}`);
    this.values.push(...users);
    const data = users.map((text) => new TextEncoder().encode(text));
    const jitterMs = this.random.next() < 0.3 ? this.random.next() * JITTER_MS : 0;
    this.stream.put(
      shard,
      this.nowMs - Math.floor(jitterMs),
      count === 1 ? data[0] : aggregate(data.map((bytes) => ({ key: "k", data: bytes }))),
    );
  }

  #reshard(): void {
    const open = this.stream.openShards();
    const shard = open[Math.floor(this.random.next() * open.length)];
    if (this.random.next() < 0.5) this.stream.split(shard);
    else this.stream.merge(shard);
  }
}

type Reading = { plan: RangePlan; read: Map<string, ReadSplit> };

function readRange(world: RangeWorld, fromMs: number | null, toMs: number): Promise<Reading> {
  const from = fromMs === null ? null : { timestampMs: fromMs };
  return world.run(async (ranges) => {
    const plan = await ranges.plan({ from, to: { timestampMs: toMs }, resume: new Map(), historical: false }, NEVER);
    return { plan, read: await readPlan(ranges, plan) };
  });
}

async function simulate(seed: number): Promise<void> {
  const world = new RangeWorld(seed, { error: 0.05, lostAnswer: 0.05, slow: 0.02 });
  world.live(120);
  const total = world.values.length;
  const toMs = world.nowMs;
  // What comes from now on is outside of all ranges, however late its time is.
  world.time.nowMs += JITTER_MS;
  const moment = () => EPOCH_MS + Math.floor(world.random.next() * (toMs - EPOCH_MS));
  const cuts = [moment(), moment(), moment(), toMs].sort((a, b) => a - b);
  const readings: Reading[] = [];
  for (let i = 0; i < cuts.length; i++) {
    readings.push(await readRange(world, i === 0 ? null : cuts[i - 1], cuts[i]));
    world.live(10);
  }
  const found = readings.flatMap(({ read }) => valuesOf(read)).sort();
  assertEquals(found, world.values.slice(0, total).sort());
  const again = await readRange(world, cuts[0], cuts[1]);
  const contents = ({ plan, read }: Reading) => ({
    starts: plan.splits.map(({ split, start, after }) => ({ split, start, after })),
    records: Array.from(read, ([split, { rows, end }]) => ({ split, rows, end })),
  });
  assertEquals(contents(again), contents(readings[1]));
}

Deno.test("ranges tile and stay the same over a stream that reshards and a network that fails", async () => {
  const seeds = oneSeed === undefined ? Array.from({ length: runs }, (_, i) => 7000 + i) : [Number(oneSeed)];
  for (const seed of seeds) {
    try {
      await simulate(seed);
    } catch (cause) {
      throw new Error(`seed ${seed} (SIM_SEED=${seed} runs it again): ${(cause as Error).message}`, { cause });
    }
  }
});
