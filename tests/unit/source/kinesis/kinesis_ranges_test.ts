import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FatalError, InvariantError } from "../../../../src/runtime/errors.ts";
import type { LogFields } from "../../../../src/runtime/log.ts";
import { Metrics } from "../../../../src/runtime/metrics.ts";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { END_POSITION } from "../../../../src/source/kinesis/leases/checkpoint.ts";
import type { KinesisApi } from "../../../../src/source/kinesis/aws/kinesis_api.ts";
import { KinesisRanges } from "../../../../src/source/kinesis/ranges/kinesis_ranges.ts";
import { type KinesisConfig, kinesisOptions } from "../../../../src/source/kinesis/options.ts";
import { kinesisSettings } from "../../../../src/source/kinesis/settings.ts";
import type { RangePlan } from "../../../../src/records/range.ts";
import { CALM } from "../../../sim/faults.ts";
import { SimClock, SimTime } from "../../../sim/sim_clock.ts";
import { SimKinesisApi, SimStream } from "../../../sim/sim_kinesis.ts";
import { SimLeaseStore, SimTable } from "../../../sim/sim_lease_store.ts";
import { defaultConfig } from "../../../support/default_config.ts";
import { readPlan, valuesOf } from "../../../support/kinesis_range_reader.ts";
import { testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const LIMIT = { maxBytes: 1 << 20, maxRows: 10_000 };
const START_MS = 1_790_000_000_000;
const HOUR_MS = 3_600_000;

interface Overrides {
  readonly config?: Partial<KinesisConfig>;
  readonly api?: (api: KinesisApi) => Partial<KinesisApi>;
}

/** Ranges of a simulated stream. */
class World {
  readonly time = new SimTime();
  readonly stream: SimStream;
  readonly ranges: KinesisRanges;
  readonly metrics = new Metrics();
  readonly warnings: { message: string; fields: LogFields | undefined }[] = [];
  /** When each shard was read. */
  readonly reads = new Map<string, number[]>();

  constructor(shardCount: number, { config = {}, api: override = () => ({}) }: Overrides = {}) {
    this.stream = new SimStream(shardCount, () => START_MS + Math.floor(this.time.nowMs));
    const clock = new SimClock(this.time, NEVER, { skewMs: 0, drift: 1 });
    const random = new SeededRandom(1);
    const warn = (message: string, fields?: LogFields) => void this.warnings.push({ message, fields });
    const base = testRuntime({ clock, random, metrics: this.metrics });
    const runtime = { ...base, log: { ...base.log, warn } };
    const network = { clock, random, rates: CALM };
    const sim = new SimKinesisApi(this.stream, {
      network,
      nowMs: () => START_MS + Math.floor(this.time.nowMs),
      onRead: ({ id }) => void this.reads.set(id, [...(this.reads.get(id) ?? []), this.time.nowMs]),
    });
    const bound = <K extends keyof KinesisApi>(name: K) => (sim[name] as (...args: unknown[]) => unknown).bind(sim);
    const names = ["describeStream", "listShards", "getIterator", "getRecords", "serverTimeMs", "close"] as const;
    const plain = Object.fromEntries(names.map((name) => [name, bound(name)])) as unknown as KinesisApi;
    const api = { ...plain, ...override(plain) };
    const full = defaultConfig<KinesisConfig>(kinesisOptions, { stream: "sim", ...config });
    const store = new SimLeaseStore(new SimTable(), network, this.time);
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 10 << 20 };
    this.ranges = new KinesisRanges(kinesisSettings(full), context, {
      connect: () => Promise.resolve({ api, store }),
    });
  }

  put(count: number, byteLength?: number): void {
    for (const shard of this.stream.openShards()) {
      const data = byteLength === undefined ? undefined : new Uint8Array(byteLength);
      for (let i = 0; i < count; i++) this.stream.put(shard, undefined, data);
    }
  }

  plan(fromMs: number | null = null, toMs: number | null = null): Promise<RangePlan> {
    const edge = (timestampMs: number | null) => timestampMs === null ? null : { timestampMs };
    const request = { from: edge(fromMs), to: edge(toMs), resume: new Map(), historical: false };
    return this.time.drive(this.ranges.plan(request, NEVER));
  }
}

Deno.test("a range that begins before the retention period says what has expired, and begins with what is left", async () => {
  const world = new World(1, {
    api: (api) => ({
      describeStream: async (signal) => ({ ...await api.describeStream(signal), createdMs: START_MS - 99 * HOUR_MS }),
    }),
  });
  world.put(3);
  world.stream.shards[0].trimmed = 1;
  world.time.nowMs += 1000;
  const plan = await world.plan(START_MS - 30 * HOUR_MS);
  const horizon = new Date(START_MS + 1000 - 24 * HOUR_MS).toISOString().slice(0, 18);
  assertEquals(plan.missing.length, 1);
  assert(plan.missing[0].startsWith(`records before ${horizon}`), plan.missing[0]);
  assert(plan.missing[0].endsWith("Z have expired: the stream keeps 24 hours"), plan.missing[0]);
  assertEquals(valuesOf(await world.time.drive(readPlan(world.ranges, plan))), ["record 2", "record 3"]);
  await world.ranges.close();
});

Deno.test("a stream that is younger than its retention period has lost nothing", async () => {
  const world = new World(1, {
    api: (api) => ({
      describeStream: async (signal) => ({ ...await api.describeStream(signal), createdMs: START_MS - HOUR_MS }),
    }),
  });
  assertEquals((await world.plan(START_MS - 30 * HOUR_MS)).missing, []);
  await world.ranges.close();
});

Deno.test("a job whose place has expired goes on with what is left, and says so", async () => {
  const world = new World(1);
  world.put(5);
  world.time.nowMs += 1000;
  const { records, id } = world.stream.shards[0];
  world.stream.shards[0].trimmed = 3;
  const resume = new Map([[`sim/${id}`, `${records[0].sequence}:1`]]);
  const plan = await world.time.drive(world.ranges.plan({ from: null, to: null, resume, historical: false }, NEVER));
  assertEquals(plan.missing, [`records of sim/${id} from ${records[0].sequence}:1 on have expired in part`]);
  assertEquals(plan.splits[0].start, `${records[0].sequence}:1`);
  assertEquals(valuesOf(await world.time.drive(readPlan(world.ranges, plan))), ["record 4", "record 5"]);
  assertEquals(world.ranges.missing(), [`records of sim/${id} expired before they were read`]);
  await world.ranges.close();
});

Deno.test("what expires between the plan and the read is said, and the rest is read", async () => {
  const world = new World(1);
  world.put(5);
  world.time.nowMs += 1000;
  const plan = await world.plan();
  assertEquals(world.ranges.missing(), []);
  world.stream.shards[0].trimmed = 2;
  const read = await world.time.drive(readPlan(world.ranges, plan));
  assertEquals(valuesOf(read), ["record 3", "record 4", "record 5"]);
  assertEquals(world.metrics.total("collector_kinesis_skips_total"), 1);
  assertEquals(world.warnings.map(({ fields }) => fields?.position), [plan.splits[0].start]);
  assertEquals(world.ranges.missing().length, 1);
  await world.ranges.close();
});

Deno.test("shards that nobody reads yet hold a share of the memory each, and keep no other from being read", async () => {
  const world = new World(16, { config: { prefetchByteLength: 1 << 20 } });
  world.put(64, 10_000);
  world.time.nowMs += 1000;
  const { splits } = await world.plan();
  await world.time.drive(world.ranges.open(splits, NEVER));
  for (const planned of splits) world.ranges.begin(planned, planned.start);
  const first = splits.at(-1)!;
  let rows = 0;
  await world.time.drive((async () => {
    for (;;) {
      const batch = await world.ranges.read(first.split, LIMIT, NEVER);
      if (batch === "end") return;
      rows += batch.rowCount;
    }
  })());
  assertEquals(rows, 64);
  // The others have read what fits 64 kB each: not all of their 640 kB.
  for (const { split } of splits.slice(0, -1)) {
    assertEquals(world.ranges.progress(split), 0);
    assert(world.reads.get(split.slice(4))!.length <= 4, `${world.reads.get(split.slice(4))!.length} reads`);
  }
  await world.ranges.close();
});

Deno.test("a range takes half of a shard's calls, unless it may take more", async () => {
  const cases: [Partial<KinesisConfig>, number][] = [
    [{}, 400],
    [{ replayReadShare: 0.1 }, 2000],
    [{ enhancedFanOut: true }, 200],
  ];
  for (const [config, gapMs] of cases) {
    const world = new World(1, { config });
    world.put(500);
    world.time.nowMs += 1000;
    const plan = await world.plan();
    world.reads.clear();
    await world.time.drive(readPlan(world.ranges, plan));
    const [times] = [...world.reads.values()];
    const gaps = times.slice(1).map((ms, i) => ms - times[i]);
    assert(gaps.length > 5 && Math.min(...gaps) >= gapMs - 60, gaps.join());
    assert(Math.min(...gaps) <= gapMs + 60, gaps.join());
    await world.ranges.close();
  }
});

Deno.test("a read that can't be mended ends the job, and one that is broken off loses nothing", async () => {
  let broken = false;
  const world = new World(1, {
    api: (api) => ({
      getRecords: (iterator, limit, signal) =>
        broken ? Promise.reject(new FatalError("no right")) : api.getRecords(iterator, limit, signal),
    }),
  });
  world.put(60);
  world.time.nowMs += 1000;
  const { splits: [planned] } = await world.plan();
  await world.time.drive(world.ranges.open([planned], NEVER));
  world.ranges.begin(planned, planned.start);
  const stop = new AbortController();
  const reading = world.ranges.read(planned.split, LIMIT, stop.signal);
  stop.abort(new DOMException("enough", "AbortError"));
  assertEquals(await reading.catch((error) => error), stop.signal.reason);
  const batch = await world.time.drive(world.ranges.read(planned.split, LIMIT, NEVER));
  assert(batch !== "end");
  assertEquals([batch.start, batch.rowCount], [planned.start, 10]);
  broken = true;
  const rest = async () => {
    while (await world.ranges.read(planned.split, LIMIT, NEVER) !== "end");
  };
  const error = await assertRejects(() => world.time.drive(rest()), FatalError);
  assertEquals(error.message, "no right");
  await world.ranges.close();
  await assertRejects(() => world.ranges.read(planned.split, LIMIT, NEVER), DOMException);
});

Deno.test("progress goes from nothing to all of a split by the records' times", async () => {
  const world = new World(1);
  for (let i = 0; i < 10; i++) {
    world.put(1);
    world.time.nowMs += 1000;
  }
  const { splits: [planned] } = await world.plan(null, START_MS + 10_000);
  await world.time.drive(world.ranges.open([planned], NEVER));
  assertEquals([world.ranges.progress(planned.split), planned.weight], [0, 10_000]);
  world.ranges.begin(planned, planned.start);
  const shares: number[] = [];
  await world.time.drive((async () => {
    while (await world.ranges.read(planned.split, { maxBytes: 1 << 20, maxRows: 2 }, NEVER) !== "end") {
      shares.push(world.ranges.progress(planned.split));
    }
  })());
  assertEquals([...shares, world.ranges.progress(planned.split)], [0.1, 0.3, 0.5, 0.7, 0.9, 1]);
  await world.ranges.close();
});

Deno.test("a shard comes after the nearest ancestors with records, however often the stream was resharded in between", async () => {
  const world = new World(1);
  const { stream } = world;
  world.put(1);
  for (let i = 0; i < 40; i++) {
    stream.split(stream.openShards()[0]);
    stream.merge(stream.openShards()[0]);
  }
  world.time.nowMs += 5000;
  world.put(1);
  world.time.nowMs += 5000;
  const { splits } = await world.plan(null, START_MS + 10_000);
  assertEquals(splits.map(({ split, after, weight }) => [split.slice(-3), after.map((id) => id.slice(-3)), weight]), [
    ["000", [], 10_000],
    ["120", ["000"], 5000],
  ]);
  // What is in a child tells when its parent ended, at the latest.
  stream.split(stream.openShards()[0]);
  const childMs = Math.floor(world.time.nowMs);
  world.put(1);
  world.time.nowMs += 5000;
  const later = await world.plan(START_MS + 1000, START_MS + childMs + 3000);
  assertEquals(later.splits.map(({ split, after, weight }) => [split.slice(-3), after.length, weight]), [
    ["120", 0, childMs - 5000],
    ["121", 1, 3000],
    ["122", 1, 3000],
  ]);
  await world.ranges.close();
});

Deno.test("ranges refuse to be begun where there is nothing, twice, or before they are open", async () => {
  const world = new World(1);
  world.put(1);
  world.time.nowMs += 1000;
  const { splits: [planned] } = await world.plan();
  const refusals = () => [
    assertThrows(() => world.ranges.begin(planned, END_POSITION), InvariantError).message,
    assertThrows(() => world.ranges.begin({ ...planned, details: {} }, planned.start), InvariantError).message,
  ];
  const { split } = planned;
  assertEquals(refusals(), Array(2).fill(`${split} was begun before the source was opened`));
  await world.time.drive(world.ranges.open([planned], NEVER));
  assertEquals(refusals(), [`${split} was begun behind its end`, `the plan of ${split} has no times: {}`]);
  world.ranges.begin(planned, planned.start);
  assertEquals(
    assertThrows(() => world.ranges.begin(planned, planned.start), InvariantError).message,
    `${split} was begun twice`,
  );
  await assertRejects(() => world.ranges.read("sim/other", LIMIT, NEVER), InvariantError);
  await world.ranges.close();
  await world.ranges.close();
});
