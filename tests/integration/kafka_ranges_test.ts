import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FatalError, InvariantError, RetriableError } from "../../src/runtime/errors.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import { connectKafka } from "../../src/source/kafka/network/connect.ts";
import { Coordinator } from "../../src/source/kafka/group/coordinator.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { publishOffsets } from "../../src/source/kafka/group/published_offsets.ts";
import type { PlannedSplit, RangeEdge } from "../../src/records/range.ts";
import type { RangeSource } from "../../src/source/range_source.ts";
import type { PollLimit } from "../../src/records/record_batch.ts";
import type { SourceContext } from "../../src/source/source.ts";
import { crc32c } from "../../src/codecs/crc32c.ts";
import { writeRecordBatch } from "../../src/source/kafka/records/record_batch_writer.ts";
import { textsOf } from "../support/batch_texts.ts";
import { FakeKafka, type FakeKafkaOptions } from "../support/kafka_broker.ts";
import { type PartitionLog, recordOf } from "../support/kafka_log.ts";
import { testRuntime } from "../support/stored_object.ts";
import { HANG_MS } from "../support/until.ts";
import {
  LIMIT,
  rangeConfig,
  rangeContext,
  rangesOf,
  readRange,
  readToEnd,
  WHOLE,
} from "../support/kafka_range_reader.ts";

interface World {
  readonly cluster: FakeKafka;
  /** Closed with the test. */
  ranges(fields?: Partial<KafkaConfig>, context?: Partial<SourceContext>): RangeSource;
}

function rangesTest(name: string, run: (world: World) => Promise<void>, options: FakeKafkaOptions = {}): void {
  const fn = async () => {
    const cluster = new FakeKafka(options);
    const sources: RangeSource[] = [];
    const ranges = (fields: Partial<KafkaConfig> = {}, context: Partial<SourceContext> = {}) => {
      const source = rangesOf({ nodes: cluster.nodes, ...fields }, context);
      sources.push(source);
      return source;
    };
    try {
      await run({ cluster, ranges });
    } finally {
      await Promise.all(sources.map((source) => source.close()));
      cluster.stop();
    }
  };
  // The cluster lives in this process: what it opens is not the source's leak.
  Deno.test({ name: `kafka ranges: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

const soon = () => AbortSignal.timeout(HANG_MS);
const at = (positions: string): RangeEdge => ({ positions });
const time = (timestampMs: number): RangeEdge => ({ timestampMs });

/** Record i has time 1000 * i. */
function timed(log: PartitionLog, from: number, to: number): void {
  for (let i = from; i < to; i += 5) {
    const records = numbers(i, Math.min(to, i + 5)).map((value) =>
      recordOf(value, { timestamp: 1000 * Number(value) })
    );
    log.write({ records });
  }
}

const RANGES: readonly [string, { from?: RangeEdge; to?: RangeEdge }, number, number][] = [
  ["everything", {}, 0, 100],
  ["from a time", { from: time(41_500) }, 42, 100],
  ["from a record's time", { from: time(42_000) }, 42, 100],
  ["to a time", { to: time(42_000) }, 0, 42],
  ["between times", { from: time(10_000), to: time(90_001) }, 10, 91],
  ["from a time before all", { from: time(-1) }, 0, 100],
  ["from a time within a millisecond", { from: time(41_999.5), to: time(43_000.5) }, 42, 44],
  ["to a time after all", { to: time(1e9) }, 0, 100],
  ["between offsets", { from: at("7"), to: at("13") }, 7, 13],
  ["one record", { from: at("0:7"), to: at("0:8") }, 7, 8],
  ["from an offset to a time", { from: at("events/0:7"), to: time(9_000) }, 7, 9],
];

for (const [name, request, from, to] of RANGES) {
  rangesTest(`${name} gives exactly these records`, async ({ cluster, ranges }) => {
    timed(cluster.createTopic("events", 1)[0], 0, 100);
    const { bySplit, missing } = await readRange(ranges(), request);
    assertEquals(bySplit, { "events/0": numbers(from, to) });
    assertEquals(missing, []);
  });
}

const EMPTY: readonly [string, { from?: RangeEdge; to?: RangeEdge }][] = [
  ["from a time after all records", { from: time(1e9) }],
  ["to a time before all records", { to: time(0) }],
  ["whose times are the wrong way round", { from: time(50_000), to: time(40_000) }],
  ["from an offset to the same", { from: at("5"), to: at("5") }],
];

for (const [name, request] of EMPTY) {
  rangesTest(`a range ${name} has no splits`, async ({ cluster, ranges }) => {
    timed(cluster.createTopic("events", 1)[0], 0, 100);
    assertEquals(await ranges().plan({ ...WHOLE, ...request }, soon()), {
      splits: [],
      weightUnit: "records",
      missing: [],
    });
  });
}

rangesTest(
  "the plan is sorted by topic and partition number, without empty partitions",
  async ({ cluster, ranges }) => {
    cluster.createTopic("b", 12).forEach((log, i) => log.values(i === 5 ? [] : ["x"]));
    cluster.createTopic("a", 1)[0].values(["x", "y"]);
    const { splits } = await ranges({ topic: "b,a" }).plan(WHOLE, soon());
    const others = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11].map((i) => `b/${i}`);
    assertEquals(splits.map(({ split }) => split), ["a/0", ...others]);
    assertEquals(splits[0], {
      split: "a/0",
      start: "0",
      end: "2",
      after: [],
      weight: 2,
      details: { log: "fake/00000000000000000000000000000002" },
    });
  },
);

rangesTest("named partitions are the only ones", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 4).forEach((log) => log.values(numbers(0, 10)));
  const { splits } = await ranges().plan({ ...WHOLE, from: at("3:4,1:2") }, soon());
  assertEquals(splits.map(({ split, start, end }) => [split, start, end]), [["events/1", "2", "10"], [
    "events/3",
    "4",
    "10",
  ]]);
});

rangesTest("what a job has read already is left out, wherever the range begins", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 3).forEach((log) => log.values(numbers(0, 10)));
  const resume = new Map([["events/0", "7"], ["events/1", "10"], ["events/9", "3"]]);
  const { splits, missing } = await ranges().plan({ ...WHOLE, from: at("2"), resume }, soon());
  assertEquals(splits.map(({ split, start }) => [split, start]), [["events/0", "7"], ["events/2", "2"]]);
  assertEquals(missing, []);
});

rangesTest("the historical topic is read when it is asked for, and never else", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1)[0].values(["now"]);
  cluster.createTopic("events-late", 1)[0].values(["then"]);
  const config = { topic: "events.*", historicalTopic: "events-late", historicalWorker: true };
  assertEquals((await readRange(ranges(config))).bySplit, { "events/0": ["now"] });
  assertEquals((await readRange(ranges(config), { historical: true })).bySplit, { "events-late/0": ["then"] });
  const error = await assertRejects(
    async () => await ranges().plan({ ...WHOLE, historical: true }, soon()),
    FatalError,
  );
  assertStringIncludes(error.message, "set kafka.historical-data-topic");
});

const REFUSED: readonly [string, { from?: RangeEdge; to?: RangeEdge }, Partial<KafkaConfig>, string][] = [
  ["offsets that aren't", { from: at("soon") }, {}, 'Cannot read "soon" as offsets'],
  ["a partition that isn't there", { from: at("7:1") }, {}, "There is no partition events/7"],
  [
    "offsets the wrong way round",
    { from: at("9"), to: at("3") },
    {},
    "The range of events/0 begins at 9 and ends before that, at 3",
  ],
  [
    "a partition with a start and no end",
    { from: at("0:1,1:1"), to: at("0:3") },
    {},
    "The range has no end for events/1: name the same partitions in both, or none in one",
  ],
  ["a partition with an end and no start", { from: at("0:1"), to: at("0:3,1:3") }, {}, "no start for events/1"],
  ["a pattern that matches nothing", {}, { topic: "x.+" }, "No topic of the cluster matches kafka.topic"],
];

for (const [name, request, fields, message] of REFUSED) {
  rangesTest(`refuses ${name}`, async ({ cluster, ranges }) => {
    cluster.createTopic("events", 2).forEach((log) => log.values(numbers(0, 20)));
    const error = await assertRejects(() => ranges(fields).plan({ ...WHOLE, ...request }, soon()), FatalError);
    assertStringIncludes(error.message, message);
  });
}

rangesTest("says what has expired, and what isn't there yet", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  timed(log, 0, 100);
  log.deleteBefore(40);
  const missing = async (request: { from?: RangeEdge; to?: RangeEdge; resume?: ReadonlyMap<string, string> }) => {
    const plan = await ranges().plan({ ...WHOLE, ...request }, soon());
    return [plan.missing, plan.splits.map(({ start, end }) => `${start}-${end}`)];
  };
  const cases: [Parameters<typeof missing>[0], string[], string[]][] = [
    [{}, [], ["40-100"]],
    [{ from: at("40") }, [], ["40-100"]],
    [{ from: at("39") }, ["Records of events/0 from offset 39 to 39 have expired."], ["40-100"]],
    [{ from: at("10"), to: at("20") }, ["Records of events/0 from offset 10 to 19 have expired."], []],
    [
      { from: time(30_000) },
      ["Records of events/0 before offset 40 have expired; some may have been in the range."],
      ["40-100"],
    ],
    [{ from: time(41_000) }, [], ["41-100"]],
    [{ to: at("20") }, ["Records of events/0 before offset 40 have expired, and with them the range."], []],
    [{ resume: new Map([["events/0", "35"]]) }, ["Records of events/0 from offset 35 to 39 have expired."], ["40-100"]],
    [{ to: at("120") }, ["events/0 ends at offset 100: there is nothing from there to 120 yet."], ["40-100"]],
    [{ from: at("110") }, ["events/0 ends at offset 100: there is nothing from 110 on yet."], []],
  ];
  for (const [request, sentences, splits] of cases) {
    assertEquals(await missing(request), [sentences, splits], JSON.stringify(request));
  }
  log.deleteBefore(100);
  assertEquals(await missing({ from: time(30_000) }), [[
    "Records of events/0 before offset 100 have expired; some may have been in the range.",
  ], []]);
});

rangesTest("says no more than twenty sentences of what is missing", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 30).forEach((log) => log.values(["x"]));
  const { missing } = await ranges().plan({ ...WHOLE, from: at("5") }, soon());
  assertEquals(missing.length, 21);
  assertEquals(missing.at(-1), "The same goes for 10 more partitions.");
});

for (const isolationLevel of ["read_committed", "read_uncommitted"] as const) {
  rangesTest(`${isolationLevel}: ends exactly, with control records and aborted ones at the end`, async (world) => {
    const { cluster, ranges } = world;
    const [log] = cluster.createTopic("events", 1);
    const open = { attributes: 16, producerId: 7n };
    log.values(["a", "b"], open);
    log.endTransaction(7n, true);
    log.values(["x", "y"], open);
    log.endTransaction(7n, false);
    const committed = isolationLevel === "read_committed";
    const both = async () => await readRange(ranges({ isolationLevel }));
    const one = await both();
    assertEquals(one.bySplit["events/0"], committed ? ["a", "b"] : ["a", "b", "x", "y"]);
    assertEquals(one.splits[0].end, "6");
    log.values(["u", "v"], open);
    log.values(["after"]);
    const two = await both();
    assertEquals(two.splits[0].end, committed ? "6" : "9");
    assertEquals(two.bySplit["events/0"], committed ? ["a", "b"] : ["a", "b", "x", "y", "u", "v", "after"]);
    // In the middle of what was aborted, and of a batch.
    const three = await readRange(ranges({ isolationLevel }), { to: at("4") });
    assertEquals(three.bySplit["events/0"], committed ? ["a", "b"] : ["a", "b", "x"]);
  });
}

rangesTest("ends exactly when compaction has taken its last records", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 100; i += 10) log.values(numbers(i, i + 10));
  log.compact((base) => base < 30 || base === 60);
  const expected = [...numbers(0, 30), ...numbers(60, 70)];
  assertEquals((await readRange(ranges())).bySplit["events/0"], expected); // the log's own end is gone
  assertEquals((await readRange(ranges(), { to: at("45") })).bySplit["events/0"], numbers(0, 30));
  assertEquals((await readRange(ranges(), { from: at("70"), to: at("80") })).bySplit["events/0"], []);
});

rangesTest("a replica that is behind ends nothing", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 20; i += 10) log.values(numbers(i, i + 10));
  log.compact((base) => base < 10);
  const source = ranges({ fetchMaxWaitMs: 1 });
  const planned: PlannedSplit = { split: "events/0", start: "0", end: "30", after: [], weight: 30, details: {} };
  await source.open([planned], soon());
  source.begin(planned, "0");
  assert(await source.read("events/0", LIMIT, soon()) !== "end");
  const rest = readToEnd(source, { ...planned, start: "10" });
  const fetches = () => cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Fetch).length;
  for (const before = fetches(); fetches() < before + 20;) await new Promise((resolve) => setTimeout(resolve, 5));
  log.values(numbers(20, 30));
  assertEquals((await rest).values, numbers(20, 30));
});

rangesTest("nothing is fetched behind the end", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 100; i += 10) log.values(numbers(i, i + 10));
  // Two batches an answer, and room for more.
  const source = ranges({ partitionMaxByteLength: 3 * log.batches[0].bytes.length - 1 });
  const { splits: [planned] } = await source.plan({ ...WHOLE, to: at("20") }, soon());
  await source.open([planned], soon());
  source.begin(planned, "0");
  assertEquals((await readToEnd(source, planned)).values, numbers(0, 20));
  await source.plan(WHOLE, soon()); // long enough for another fetch to be seen
  assertEquals(cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Fetch).length, 1);
});

rangesTest("an answer without records skips nothing while there are some", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 100; i += 10) log.values(numbers(i, i + 10));
  const source = ranges({ fetchMaxWaitMs: 1 });
  const { splits } = await source.plan(WHOLE, soon());
  await source.open(splits, soon());
  // As when what is asked for lies in a remote storage that takes its time.
  let empties = 0;
  const read = log.read.bind(log);
  log.read = (offset, ...rest) =>
    offset < 100 && empties < 20 && offset !== 99 ? (empties++, new Uint8Array(0)) : read(offset, ...rest);
  source.begin(splits[0], "0");
  assertEquals((await readToEnd(source, splits[0])).values, numbers(0, 100));
  assertEquals(empties, 20);
});

rangesTest("adjacent ranges have every record once, and limits are kept to", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  const values = numbers(0, 200).map((value) => value.padEnd(Number(value) % 17, "."));
  values[57] = "large".repeat(100);
  for (let i = 0; i < 200; i += 7) log.values(values.slice(i, i + 7));
  const seen: string[] = [];
  for (const [from, to] of [["0", "33"], ["33", "100"], ["100", "101"], ["101", "200"]]) {
    const source = ranges();
    const { splits: [planned] } = await source.plan({ ...WHOLE, from: at(from), to: at(to) }, soon());
    await source.open([planned], soon());
    source.begin(planned, planned.start);
    const limit = { maxBytes: 60, maxRows: 5 };
    for (const batch of (await readToEnd(source, planned, limit)).batches) {
      assert(batch.rowCount <= 5, `${batch.rowCount} rows`);
      assert(batch.rowCount === 1 || batch.bytes.length <= 60, `${batch.bytes.length} bytes`);
      const at = [...batch.positions as BigInt64Array].map(Number);
      assertEquals(at, Array.from(at, (_, i) => at[0] + i));
      seen.push(...textsOf(batch));
    }
  }
  assertEquals(seen, values);
});

rangesTest("a full batch ends behind its last record, whatever is fetched with it", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  const open = { attributes: 16, producerId: 7n };
  log.values(["aa", "bb"]);
  log.values(["x", "y"], open);
  log.endTransaction(7n, false);
  log.values(["cc", "", "dd", "gone"]);
  log.values(["gone too"]);
  log.values(["ee"]);
  // Compaction took the last record of a batch, and all of the next.
  const [, , , cut] = log.batches;
  log.batches[3] = {
    ...cut,
    bytes: writeRecordBatch({ records: ["cc", "", "dd"].map((value) => recordOf(value)), baseOffset: 5n }),
  };
  const view = new DataView(log.batches[3].bytes.buffer, log.batches[3].bytes.byteOffset);
  view.setInt32(23, 3);
  view.setUint32(17, crc32c(log.batches[3].bytes, 21, log.batches[3].bytes.length));
  log.compact((base) => base !== 9);
  const nexts = async (partitionMaxByteLength: number, limit: PollLimit) => {
    const source = ranges({ partitionMaxByteLength });
    const { splits: [planned] } = await source.plan(WHOLE, soon());
    await source.open([planned], soon());
    source.begin(planned, planned.start);
    const { batches } = await readToEnd(source, planned, limit);
    return batches.filter(({ rowCount }) => rowCount > 0).map((batch) => [textsOf(batch).join(), batch.next]);
  };
  for (const partitionMaxByteLength of [1, 1 << 20]) {
    const alone = [["aa", "1"], ["bb", "2"], ["cc", "6"], ["", "7"], ["dd", "8"], ["ee", "11"]];
    assertEquals(await nexts(partitionMaxByteLength, { maxBytes: 1 << 20, maxRows: 1 }), alone);
    assertEquals(await nexts(partitionMaxByteLength, { maxBytes: 1, maxRows: 10 }), alone);
    assertEquals((await nexts(partitionMaxByteLength, { maxBytes: 4, maxRows: 10 }))[0], ["aa,bb", "2"]);
  }
});

rangesTest("goes on where an earlier process got to", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 50));
  const source = ranges();
  const planned: PlannedSplit = { split: "events/0", start: "10", end: "40", after: [], weight: 30, details: {} };
  await source.open([planned], soon());
  assertEquals(source.progress("events/0"), 0);
  source.begin(planned, "25");
  assertEquals(source.progress("events/0"), 0.5);
  const batch = await source.read("events/0", { maxBytes: 1 << 20, maxRows: 6 }, soon());
  assert(batch !== "end");
  assertEquals([batch.start, batch.next, textsOf(batch)], ["25", "31", numbers(25, 31)]);
  assertEquals(source.progress("events/0"), 0.7);
  await readToEnd(source, { ...planned, start: "31" });
  assertEquals(source.progress("events/0"), 1);
  assertEquals(await source.read("events/0", LIMIT, soon()), "end");
  await assertRejects(() => source.read("events/1", LIMIT, soon()), InvariantError);
});

rangesTest("an aborted read loses nothing", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 5));
  const source = ranges();
  const planned: PlannedSplit = { split: "events/0", start: "0", end: "10", after: [], weight: 10, details: {} };
  await source.open([planned], soon());
  source.begin(planned, "0");
  const first = await source.read("events/0", LIMIT, soon());
  assert(first !== "end");
  const stop = new AbortController(), reason = new Error("stop");
  const waiting = source.read("events/0", LIMIT, stop.signal);
  stop.abort(reason);
  assertEquals(await waiting.catch((error: unknown) => error), reason);
  cluster.log("events", 0).values(numbers(5, 12));
  assertEquals((await readToEnd(source, { ...planned, start: "5" })).values, numbers(5, 10));
});

rangesTest("sixteen partitions read in turn never wait for each other's room", async ({ cluster, ranges }) => {
  const logs = cluster.createTopic("events", 16);
  for (const [p, log] of logs.entries()) {
    for (let i = 0; i < 40; i++) log.values(numbers(0, 10).map((n) => `${p}:${i}:${n}`.padEnd(1000)));
  }
  const source = ranges({
    prefetchMaxByteLength: 64 << 10,
    partitionMaxByteLength: 1 << 20,
    fetchMaxByteLength: 1 << 20,
  });
  const { splits } = await source.plan(WHOLE, soon());
  await source.open(splits, soon());
  for (const planned of splits) source.begin(planned, "0");
  // The last one alone to its end, while the others' buffers are full; then the others.
  const last = await readToEnd(source, splits[15]);
  assertEquals(last.values.length, 400);
  for (const planned of splits.slice(0, 15)) assertEquals((await readToEnd(source, planned)).values.length, 400);
  assert(cluster.largestAnswer <= 16 * 11_000, `${cluster.largestAnswer} bytes in one answer`);
});

rangesTest("keys and headers come when somebody wants them", async ({ cluster, ranges }) => {
  const key = new TextEncoder().encode("k");
  cluster.createTopic("events", 1)[0].write({
    records: [recordOf("v", { key, headers: [{ key: "h", value: key }] })],
  });
  for (const wanted of [true, false]) {
    const source = ranges({}, { wants: { keys: wanted, headers: wanted } });
    const { splits } = await source.plan(WHOLE, soon());
    await source.open(splits, soon());
    source.begin(splits[0], "0");
    const { batches: [batch] } = await readToEnd(source, splits[0]);
    assertEquals(batch.keys && new TextDecoder().decode(batch.keys.bytes), wanted ? "k" : null);
    assertEquals(batch.headers && new TextDecoder().decode(batch.headers.bytes), wanted ? '{"h":"k"}' : null);
  }
});

rangesTest("records that expire while the range is read end it, with their offsets", async ({ cluster, ranges }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 100; i += 10) log.values(numbers(i, i + 10));
  const source = ranges({ partitionMaxByteLength: 1024, prefetchMaxByteLength: 1024 });
  const { splits: [planned] } = await source.plan(WHOLE, soon());
  await source.open([planned], soon());
  log.deleteBefore(60);
  source.begin(planned, "0");
  const error = await assertRejects(() => readToEnd(source, planned), FatalError);
  assertStringIncludes(
    error.message,
    "Offsets 0 to 59 of events/0 expired before they were read: the log begins at 60 now",
  );
});

rangesTest("a log that is shorter than the plan ends the range", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 10));
  const source = ranges();
  const planned: PlannedSplit = { split: "events/0", start: "50", end: "60", after: [], weight: 10, details: {} };
  await source.open([planned], soon());
  source.begin(planned, "50");
  const error = await assertRejects(() => readToEnd(source, planned), FatalError);
  assertStringIncludes(error.message, "The log of events/0 ends at 10, before offset 50 that was to be read next");
});

rangesTest("a deleted topic ends the range, and one that never was its plan", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 10));
  const source = ranges();
  const { splits: [planned] } = await source.plan(WHOLE, soon());
  await source.open([planned], soon());
  cluster.topics.delete("events");
  source.begin(planned, "0");
  const errors = await Promise.all([
    assertRejects(() => readToEnd(source, planned), FatalError),
    assertRejects(() => ranges({ topic: "nothing" }).plan(WHOLE, soon()), FatalError),
  ]);
  assertEquals(errors.map(({ message }) => message), [
    "Topic events doesn't exist (any more), or its DESCRIBE right is missing",
    "Topic nothing doesn't exist (any more), or its DESCRIBE right is missing",
  ]);
});

rangesTest("a leader that moves and a broker that is down for a while cost nothing", async ({ cluster, ranges }) => {
  const logs = cluster.createTopic("events", 2);
  for (const log of logs) for (let i = 0; i < 100; i += 10) log.values(numbers(i, i + 10));
  const source = ranges({ partitionMaxByteLength: 1024, prefetchMaxByteLength: 1024 });
  const { splits } = await source.plan(WHOLE, soon());
  await source.open(splits, soon());
  let fetches = 0;
  cluster.fault = ({ apiKey }) => {
    if (apiKey !== ApiKey.Fetch) return undefined;
    fetches++;
    if (fetches === 2) logs[0].leader = 2;
    if (fetches === 4) {
      cluster.broker(1).stop();
      logs[0].leader = 2;
      logs[1].leader = 2;
    }
    return fetches === 6 ? "hang up" : fetches === 7 ? ErrorCode.NOT_LEADER_OR_FOLLOWER : undefined;
  };
  for (const planned of splits) source.begin(planned, "0");
  for (const planned of splits) assertEquals((await readToEnd(source, planned)).values, numbers(0, 100));
  assert(fetches > 7, `${fetches} fetches`);
}, { brokers: 2 });

rangesTest("a job's place is published as offsets of a group of its own", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 2);
  const source = ranges();
  assertEquals(await source.published!("june", soon()), new Map());
  let faults = 0;
  cluster.fault = ({ apiKey }) =>
    apiKey === ApiKey.OffsetCommit && faults++ < 2
      ? [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, "lose answer" as const][faults - 1]
      : undefined;
  await source.publish!("june", new Map([["events/0", "5"], ["events/1", "70"]]), soon());
  assertEquals(faults, 3);
  const offsets = cluster.group("readers-june").offsets;
  assertEquals([...offsets].map(([split, { offset }]) => [split, offset]), [["events/0", 5n], ["events/1", 70n]]);
  assertEquals(await ranges().published!("june", soon()), new Map([["events/0", "5"], ["events/1", "70"]]));
  assertEquals(cluster.group("readers").offsets.size, 0);
  const client = connectKafka(rangeConfig({ nodes: cluster.nodes }), testRuntime());
  const coordinator = new Coordinator(client, "g");
  await coordinator.find(soon());
  cluster.coordinator = 2;
  const publish = () => publishOffsets(coordinator, new Map([["events/0", "6"]]), soon());
  await assertRejects(publish, RetriableError);
  await publish();
  client.close();
}, { brokers: 2 });

rangesTest("committed() tells how far the live group is in the topics of the config", async ({ cluster }) => {
  for (const topic of ["events-a", "events-late", "other"]) {
    cluster.createTopic(topic, 2);
    cluster.group("readers").commit("", -1, `${topic}/1`, { offset: 12n, metadata: null });
  }
  const ask = (fields: Partial<KafkaConfig>) =>
    kafkaSource.committed!(rangeConfig({ nodes: cluster.nodes, ...fields }), rangeContext(), soon());
  assertEquals(await ask({ topic: "events-a" }), new Map([["events-a/1", "12"]]));
  assertEquals(await ask({ topic: "events-.*", historicalTopic: "events-late" }), new Map([["events-a/1", "12"]]));
  assertEquals(
    await ask({ topic: "events-a", historicalTopic: "events-late", historicalWorker: true }),
    new Map([["events-a/1", "12"], ["events-late/1", "12"]]),
  );
  assertEquals(await ask({ topic: "events-a", groupId: "nobody" }), new Map());
});

rangesTest("close() ends what waits, twice", async ({ cluster, ranges }) => {
  cluster.createTopic("events", 1);
  const source = ranges();
  const planned: PlannedSplit = { split: "events/0", start: "0", end: "10", after: [], weight: 10, details: {} };
  await source.open([planned], soon());
  source.begin(planned, "0");
  const waiting = assertRejects(() => source.read("events/0", LIMIT, soon()), FatalError);
  await source.close();
  await source.close();
  assertStringIncludes((await waiting).message, "closed");
});
