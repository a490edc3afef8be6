/** Ranges of a stream, against an emulator that knows times. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../src/runtime/errors.ts";
import { END_POSITION } from "../../src/source/kinesis/leases/checkpoint.ts";
import { committedPositions } from "../../src/source/kinesis/committed.ts";
import { KinesisRanges } from "../../src/source/kinesis/ranges/kinesis_ranges.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import type { RangePlan, RangeRequest } from "../../src/records/range.ts";
import type { SplitId } from "../../src/records/position.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { readPlan, type ReadSplit, valuesOf } from "../support/kinesis_range_reader.ts";
import { aggregate } from "../support/kpl.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { testRuntime } from "../support/stored_object.ts";

const NEVER = new AbortController().signal;
const encoder = new TextEncoder();
const clock = new PatientClock();
/** Everything up to now. */
const ALL: RangeRequest = { from: null, to: null, resume: new Map(), historical: false };
const FAST = { marginMs: 0, minIntervalMs: 1, bytesPerSecond: Infinity };

let shared: Promise<KinesisServers> | undefined;

/** A stream, what was put into it, and ranges of it. */
class World {
  readonly servers: KinesisServers;
  readonly stream: string;
  readonly values: string[] = [];

  private constructor(servers: KinesisServers, stream: string) {
    this.servers = servers;
    this.stream = stream;
  }

  static async create(shardCount: number): Promise<World> {
    const servers = await (shared ??= KinesisServers.startLocal());
    return new World(servers, await servers.createStream(shardCount));
  }

  /** Puts so many records, and returns a time after them that is before all later ones. */
  async put(count: number): Promise<number> {
    const values = Array.from({ length: count }, (_, i) => `record ${this.values.length + i}`);
    this.values.push(...values);
    await this.servers.put(this.stream, values.map((value) => ({ key: value, data: encoder.encode(value) })));
    return await this.pause();
  }

  async pause(): Promise<number> {
    await clock.sleep(3);
    const nowMs = clock.now();
    await clock.sleep(3);
    return nowMs;
  }

  ranges(): KinesisRanges {
    const settings = this.servers.settings(this.stream), runtime = testRuntime();
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
    const connect = (signal: AbortSignal) => openSdkPorts(settings, runtime, signal);
    return new KinesisRanges(settings, context, { connect, tuning: FAST });
  }

  async plan(request: Partial<RangeRequest>): Promise<RangePlan> {
    const ranges = this.ranges();
    try {
      return await ranges.plan({ ...ALL, ...request }, NEVER);
    } finally {
      await ranges.close();
    }
  }

  /** Up to now unless the request says up to when. */
  async read(request: Partial<RangeRequest>): Promise<{ plan: RangePlan; read: Map<SplitId, ReadSplit> }> {
    const plan = await this.plan({ to: { timestampMs: await this.pause() }, ...request });
    return { plan, read: await this.readPlan(plan) };
  }

  async readPlan(plan: RangePlan): Promise<Map<SplitId, ReadSplit>> {
    const ranges = this.ranges();
    try {
      return await readPlan(ranges, plan);
    } finally {
      await ranges.close();
    }
  }

  /** From one time to another. */
  between(fromMs: number, toMs: number): Promise<{ plan: RangePlan; read: Map<SplitId, ReadSplit> }> {
    return this.read({ from: { timestampMs: fromMs }, to: { timestampMs: toMs } });
  }
}

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

Deno.test.afterAll(async () => await (await shared)?.stop());

test("a range over shards that split and merge has every record once, parents before children", async () => {
  const world = await World.create(2);
  const { servers, stream } = world;
  await world.put(40);
  let open = await servers.openShards(stream);
  await servers.split(stream, open[0]);
  await world.put(40);
  open = await servers.openShards(stream);
  await servers.merge(stream, open[1], open[2]);
  await world.put(40);
  const { plan, read } = await world.read({});
  assertEquals(
    plan.splits.map(({ split }) => split),
    Array.from({ length: 5 }, (_, i) => `${stream}/shardId-${String(i).padStart(12, "0")}`),
  );
  assertEquals(valuesOf(read), [...world.values].sort());
  const parents = new Map(plan.splits.map(({ split, after }) => [split, after.map((id) => Number(id.slice(-12)))]));
  assertEquals([...parents.values()], [[], [], [0], [0], [2, 3]]);
  for (const { split, after } of plan.splits) {
    for (const parent of after) assert(read.get(split)!.begunAfter.includes(parent));
  }
  assert(plan.splits.every(({ end, weight }) => end === null && weight >= 1));
});

test("a child comes after its grandparent when nothing is to be read in between", async () => {
  const world = await World.create(1);
  const { servers, stream } = world;
  await world.put(5);
  await servers.split(stream, (await servers.openShards(stream))[0]);
  const open = await servers.openShards(stream);
  await servers.merge(stream, open[0], open[1]);
  await world.put(5);
  const { plan, read } = await world.read({});
  assertEquals(plan.splits.map(({ split, after }) => [split.slice(-1), after.map((id) => id.slice(-1))]), [
    ["0", []],
    ["3", ["0"]],
  ]);
  assertEquals(valuesOf(read), [...world.values].sort());
});

test("ranges next to each other have every record once", async () => {
  const world = await World.create(2);
  const { servers, stream } = world;
  const firstMs = await world.pause();
  await world.put(20);
  await servers.split(stream, (await servers.openShards(stream))[0]);
  await world.put(20);
  const lastMs = await world.put(20);
  // At the very times of records, and between them.
  const whole = await world.between(firstMs, lastMs);
  const times = whole.plan.splits.map(({ details }) => Number(details.firstMs)).sort();
  const cuts = [
    firstMs,
    ...new Set([times[0], times.at(-1)!, times[1] + 1, Math.floor((firstMs + lastMs) / 2)]),
    lastMs,
  ]
    .sort((a, b) => a - b);
  const rows: string[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const { read } = await world.between(cuts[i], cuts[i + 1]);
    for (const [split, part] of read) rows.push(...part.rows.map((row) => `${split} ${row}`));
  }
  const expected = Array.from(whole.read).flatMap(([split, part]) => part.rows.map((row) => `${split} ${row}`));
  assertEquals(rows.sort(), expected.sort());
  assertEquals(valuesOf(whole.read), [...world.values].sort());
});

test("the same range is the same when it is read again, whatever has come meanwhile", async () => {
  const world = await World.create(3);
  const fromMs = await world.put(10);
  await world.put(100);
  const toMs = await world.put(100);
  await world.put(30);
  const first = await world.between(fromMs, toMs);
  await world.servers.split(world.stream, (await world.servers.openShards(world.stream))[0]);
  await world.put(50);
  const second = await world.between(fromMs, toMs);
  const places = ({ splits }: RangePlan) => splits.map(({ split, start, after }) => ({ split, start, after }));
  assertEquals(places(second.plan), places(first.plan));
  const contents = (read: Map<SplitId, ReadSplit>) =>
    Array.from(read, ([split, { rows, end }]) => ({ split, rows, end }));
  assertEquals(contents(second.read), contents(first.read));
  assertEquals(contents(await world.readPlan(first.plan)), contents(first.read));
  assertEquals(valuesOf(first.read), world.values.slice(10, 210).sort());
});

test("a range up to now ends there, while records keep coming", async () => {
  const world = await World.create(1);
  await world.put(20);
  const plan = await world.plan({});
  // The service's clock shows whole seconds: what comes later than the next one isn't in the range.
  while (clock.now() < Number(plan.splits[0].details.toMs)) await clock.sleep(20);
  await world.put(20);
  assertEquals(valuesOf(await world.readPlan(plan)), world.values.slice(0, 20).sort());
});

test("a range with nothing in it has no splits", async () => {
  const world = await World.create(2);
  const fromMs = await world.pause();
  const toMs = await world.pause();
  await world.put(10);
  const hourMs = 3_600_000, nowMs = clock.now();
  for (const [from, to] of [[fromMs, toMs], [nowMs + hourMs, nowMs + 2 * hourMs], [toMs, fromMs], [fromMs, fromMs]]) {
    const { splits, missing } = await world.plan({ from: { timestampMs: from }, to: { timestampMs: to } });
    assertEquals([splits, missing], [[], []]);
  }
  // Older than the stream: nothing of it has expired.
  const { missing } = await world.plan({ from: { timestampMs: nowMs - 48 * hourMs } });
  assertEquals(missing, []);
});

test("an aggregate belongs to the range whole", async () => {
  const world = await World.create(1);
  const users = (name: string) =>
    Array.from({ length: 5 }, (_, i) => ({ key: "k", data: encoder.encode(`${name}${i}`) }));
  const put = (name: string) => world.servers.put(world.stream, [{ key: "k", data: aggregate(users(name)) }]);
  await put("a");
  const fromMs = await world.pause();
  await put("b");
  await put("c");
  const toMs = await world.pause();
  await put("d");
  const { plan, read } = await world.between(fromMs, toMs);
  assertEquals(valuesOf(read), ["b", "c"].flatMap((name) => [0, 1, 2, 3, 4].map((i) => `${name}${i}`)));
  const [{ split, start }] = plan.splits;
  assertEquals([start.split(":")[1], read.get(split)!.end.split(":")[1]], ["0", "5"]);
});

test("a job goes on where the last one ended", async () => {
  const world = await World.create(2);
  const { servers, stream } = world;
  await world.put(30);
  const first = await world.read({});
  const resume = new Map(Array.from(first.read, ([split, { end }]) => [split, end]));
  const to = { timestampMs: await world.pause() };
  assertEquals((await world.plan({ resume, to })).splits, []);
  const next = await world.put(30);
  await servers.split(stream, (await servers.openShards(stream))[0]);
  await world.put(30);
  const second = await world.read({ resume, from: { timestampMs: next } });
  assertEquals(second.plan.missing, []);
  assertEquals(valuesOf(second.read), world.values.slice(30).sort());
  for (const { split, start } of second.plan.splits) if (resume.has(split)) assertEquals(start, resume.get(split));
  assertEquals(
    (await world.plan({ resume: new Map([...resume.keys()].map((split) => [split, END_POSITION])) })).splits
      .filter(({ split }) => resume.has(split)),
    [],
  );
});

test("a range by positions, or of a historical topic, is refused with what to write instead", async () => {
  const world = await World.create(1);
  const positions = await assertRejects(() => world.plan({ from: { positions: "1000" } }), FatalError);
  assert(/by times, not by positions \(1000\): write \d{4}-/.test(positions.message), positions.message);
  const historical = await assertRejects(() => world.plan({ historical: true }), FatalError);
  assert(historical.message.includes("no historical topic"), historical.message);
});

test("a job of another stream is refused", async () => {
  const world = await World.create(1);
  await world.put(1);
  const { splits } = await world.plan({});
  const ranges = world.ranges();
  const others = splits.map((split) => ({ ...split, split: "other/shardId-000000000000" }));
  const error = await assertRejects(() => ranges.open(others, NEVER), FatalError);
  assert(error.message.includes("correct"), error.message);
  await ranges.close();
});

test("the live collector's positions are those of its lease table, and reading a range makes none", async () => {
  const world = await World.create(2);
  const { servers, stream } = world;
  const runtime = testRuntime(), settings = servers.settings(stream);
  const { api, store } = await openSdkPorts(settings, runtime, NEVER);
  const committed = () => committedPositions(store, { streamName: stream, runtime, signal: NEVER });
  await world.put(10);
  await world.read({});
  assertEquals(await store.describeTable(NEVER), "missing");
  assertEquals(await committed(), new Map());
  await store.createTable(NEVER);
  while (await store.describeTable(NEVER) !== "active") await clock.sleep(5);
  for (const [key, checkpoint, sub] of [["a", "77", "3"], ["b", "SHARD_END", "0"], ["c", "TRIM_HORIZON", "0"]]) {
    await store.put({
      leaseKey: { S: key },
      leaseCounter: { N: "5" },
      checkpoint: { S: checkpoint },
      checkpointSubSequenceNumber: { N: sub },
    }, NEVER);
  }
  const before = await servers.items(settings.leaseTable);
  assertEquals(Object.fromEntries(await committed()), {
    [`${stream}/a`]: "77:4",
    [`${stream}/b`]: END_POSITION,
    [`${stream}/c`]: "0",
  });
  assertEquals(await servers.items(settings.leaseTable), before);
  api.close();
  store.close();
});
