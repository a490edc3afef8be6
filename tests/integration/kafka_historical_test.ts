import { assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { parseHeaders } from "../../src/source/kafka/historical.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { ChunkReader } from "../../src/source/kafka/records/chunk_reader.ts";
import { BatchBuilder } from "../../src/source/kafka/records/batch_builder.ts";
import { textAt } from "../support/batch_texts.ts";

import { writeRecordBatch } from "../../src/source/kafka/records/record_batch_writer.ts";
import { CollectorProcess, settings } from "../support/collector.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { KafkaReader } from "../support/kafka_reader.ts";
import { type PartitionLog, recordOf } from "../support/kafka_log.ts";
import { storedIds } from "../support/scratch.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;
const text = (value: string) => new TextEncoder().encode(value);

function event(id: number, time: number): string {
  return JSON.stringify({ project: "shop", collection: "orders", properties: { id, _time: time } });
}

interface Sent {
  readonly value: string;
  readonly key: string;
  readonly headers: string;
  readonly timestamp: number;
}

/** What a log holds. */
function contents(log: PartitionLog): Sent[] {
  return log.batches.flatMap(({ bytes, baseOffset }) => {
    const wants = { keys: true, headers: true }, limit = { maxBytes: 1 << 30, maxRows: 1 << 30 };
    const builder = new BatchBuilder({ limit, wants, maxRecordByteLength: 1 << 30 });
    new ChunkReader(bytes, baseOffset, []).read(builder);
    const batch = builder.finish("s/0", 1n, 0, 0);
    return Array.from({ length: batch.rowCount }, (_, row) => ({
      value: textAt(batch, row),
      key: textAt(batch.keys!, row),
      headers: textAt(batch.headers!, row),
      timestamp: batch.timestamps[row],
    }));
  });
}

function run(cluster: FakeKafka, work: string, extra: Record<string, string>): CollectorProcess {
  const config = {
    "stream.source": "kafka",
    "target": "file",
    "target.file.directory": join(work, "out"),
    "kafka.nodes": cluster.nodes.join(","),
    "kafka.topic": "events.?|late",
    "kafka.offset": "earliest",
    "kafka.historical-data-topic": "late",
    "source.data-format": "JSON",
    "stream.max-flush-duration": "50ms",
    "middleware.max-flush-duration": "100ms",
    "pipeline.workers": "2",
    ...extra,
  };
  return new CollectorProcess(["run", ...settings(config)], { cwd: work });
}

Deno.test({
  name: "kafka: out-of-date records go to the historical topic, and are committed only when they are stored there",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const cluster = new FakeKafka();
    const work = await Deno.makeTempDir({ prefix: "kafka-historical-" });
    const [log] = cluster.createTopic("events", 1), [late] = cluster.createTopic("late", 1);
    const now = Date.now();
    const times = [now, now - DAY_MS, now - 3 * DAY_MS, now + 2 * DAY_MS, now];
    log.write({
      records: times.map((time, id) =>
        recordOf(event(id, time), {
          key: text(`k${id}`),
          headers: [{ key: "h", value: text(`v"${id}`) }, { key: "raw", value: Uint8Array.of(255) }],
          timestamp: 1_600_000_000_000 + id,
        })
      ),
    });
    let refuse = true;
    cluster.fault = ({ apiKey }) => apiKey === ApiKey.Produce && refuse ? "hang up" : undefined;
    try {
      await using one = run(cluster, work, {});
      await one.logs("kafka produce");
      const offset = () => cluster.group("presto_streaming").offsets.get("events/0")?.offset;
      assertEquals(offset(), 0n);
      refuse = false;
      await until("committed", () => offset() === 5n);
      const sent = contents(late);
      assertEquals(sent.map(({ value }) => value), [event(2, times[2]), event(3, times[3])]);
      assertEquals(sent.map(({ key, headers, timestamp }) => [key, headers, timestamp]), [
        ["k2", '{"h":"v\\"2","raw":{"base64":"/w=="}}', 1_600_000_000_002],
        ["k3", '{"h":"v\\"3","raw":{"base64":"/w=="}}', 1_600_000_000_003],
      ]);
      await until("the rest is out", async () => (await storedIds(join(work, "out"))).length === 3);
      one.kill("SIGTERM");
      const { code, stderr } = await one.end();
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, '"dropped":2');
      assertEquals(await storedIds(join(work, "out")), [0, 1, 4]);

      await using worker = run(cluster, work, {
        "historical.worker": "true",
        "historical.max-flush-duration": "100ms",
      });
      await until("the late ones are out", async () => (await storedIds(join(work, "out"))).length === 5);
      worker.kill("SIGTERM");
      assertEquals((await worker.end()).code, 0);
      assertEquals(late.end, 2, "what was late was sent on again");
    } finally {
      cluster.stop();
      await Deno.remove(work, { recursive: true });
    }
  },
});

/** Live events and historical ones, and a historical worker whose live records are flushed all the time. */
async function withWorker(
  extra: Record<string, string>,
  test: (world: {
    worker: CollectorProcess;
    cluster: FakeKafka;
    /** Appends an event to the topic. */
    send(topic: "events" | "late", id: number): void;
    out(): Promise<number[]>;
    committed(topic: string): number;
  }) => Promise<void>,
): Promise<void> {
  const cluster = new FakeKafka();
  const work = await Deno.makeTempDir({ prefix: "kafka-historical-" });
  const logs = { events: cluster.createTopic("events", 1)[0], late: cluster.createTopic("late", 1)[0] };
  const now = Date.now();
  try {
    await using worker = run(cluster, work, { "historical.worker": "true", ...extra });
    await test({
      worker,
      cluster,
      send: (topic, id) => logs[topic].values([event(id, topic === "late" ? now - 9 * DAY_MS : now)]),
      out: () => storedIds(join(work, "out")),
      committed: (topic) => Number(cluster.group("presto_streaming").offsets.get(`${topic}/0`)?.offset ?? -1n),
    });
  } finally {
    cluster.stop();
    await Deno.remove(work, { recursive: true });
  }
}

/** A member's fetches follow each other: with the next ones, what was there before has been read. */
function fetchesOf({ requests }: FakeKafka): number {
  return requests.filter(({ apiKey }) => apiKey === ApiKey.Fetch).length;
}

function historicalTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `kafka: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

historicalTest("historical records wait for their own number, while live ones are flushed by theirs", async () => {
  const limits = { "historical.max-flush-duration": "1h", "historical.max-flush-records": "5" };
  await withWorker(limits, async ({ worker, cluster, send, out, committed }) => {
    for (let id = 0; id < 4; id++) send("late", id);
    for (let id = 10; id < 13; id++) {
      send("events", id);
      await until("the live one is out", async () => (await out()).includes(id) && committed("events") === id - 9);
    }
    assertEquals([await out(), committed("late")], [[10, 11, 12], 0]);
    send("late", 4);
    await until("the historical ones are committed", () => committed("late") === 5);
    assertEquals(await out(), [0, 1, 2, 3, 4, 10, 11, 12]);
    // A stop writes what either holds.
    const before = fetchesOf(cluster);
    send("late", 5);
    await until("it is read", () => fetchesOf(cluster) > before + 3);
    worker.kill("SIGTERM");
    const { code, stderr } = await worker.end();
    assertEquals(code, 0, stderr);
    assertEquals([committed("late"), (await out()).includes(5)], [6, true]);
    assertStringIncludes(stderr, '"workers":3'); // one more than is asked for
    for (const part of ["live", "historical"]) assertStringIncludes(stderr, `"part":"${part}"`);
  });
});

historicalTest("historical records wait for their own time", async () => {
  const limits = { "historical.max-flush-duration": "1500ms", "middleware.max-flush-duration": "1h" };
  await withWorker(limits, async ({ worker, send, out, committed }) => {
    send("events", 10);
    send("late", 0);
    await until("the historical one is committed", () => committed("late") === 1);
    assertEquals([await out(), committed("events")], [[0], 0]);
    worker.kill("SIGTERM");
    assertEquals((await worker.end()).code, 0);
    assertEquals([await out(), committed("events")], [[0, 10], 1]);
  });
});

historicalTest("when one of the loops fails, the other writes what it holds", async () => {
  const limits = { "historical.max-flush-duration": "1h", "middleware.max-flush-duration": "1h" };
  await withWorker({ ...limits, "dead-letter.policy": "fail" }, async ({ worker, cluster, send, out, committed }) => {
    send("late", 0);
    await until("both are assigned", () => worker.stderr.split("split assigned").length === 3);
    const before = fetchesOf(cluster);
    await until("it is read", () => fetchesOf(cluster) > before + 3);
    cluster.log("events", 0).values(["this is no event"]);
    const { code, stderr } = await worker.end();
    assertEquals(code, 1);
    assertStringIncludes(stderr, "events/0");
    assertEquals([await out(), committed("late"), committed("events")], [[0], 1, 0]);
  });
});

for (const assignmentStrategy of ["range", "roundrobin", "cooperative-sticky"] as const) {
  historicalTest(
    `${assignmentStrategy}: the parts of a historical worker share the topics, and start where one member would`,
    async () => {
      const cluster = new FakeKafka();
      cluster.createTopic("events-a", 2).forEach((log) => log.values(["old"]));
      cluster.createTopic("events-late", 2).forEach((log) => log.values(["late"]));
      const fields: Partial<KafkaConfig> = {
        nodes: cluster.nodes,
        topic: "events-.*",
        offset: "latest",
        historicalTopic: "events-late",
        historicalWorker: true,
        groupInstanceId: "me",
        assignmentStrategy,
      };
      for (const topic of ["events-a", "events-late"]) {
        for (const partition of [0, 1]) {
          cluster.group("readers").offsets.set(`${topic}/${partition}`, { offset: 0n, metadata: null });
        }
      }
      // It came while nobody was there: all of it is new, whoever leads the group.
      cluster.createTopic("events-b", 1)[0].values(["new"]);
      const historical = new KafkaReader(fields, { part: "historical" }),
        live = new KafkaReader(fields, { part: "live" });
      try {
        await historical.start();
        await historical.until("it leads", () => historical.owned.size === 2);
        await live.start();
        await live.until("everything", () => live.values.length === 3);
        await historical.until("its own", () => historical.values.length >= 2);
        assertEquals(cluster.group("readers").members.size, 2);
        assertEquals([...live.owned.keys()].sort(), ["events-a/0", "events-a/1", "events-b/0"]);
        assertEquals([...historical.owned.keys()].sort(), ["events-late/0", "events-late/1"]);
        assertEquals([live.values.toSorted(), new Set(historical.values)], [["new", "old", "old"], new Set(["late"])]);
        assertEquals([live.source.diversion?.exemptParent, historical.source.diversion], ["events-late", undefined]);
      } finally {
        await Promise.all([live.crash(), historical.crash()]);
        cluster.stop();
      }
    },
  );
}

Deno.test("parseHeaders() reads names that come several times, quotes, nulls and bytes", () => {
  const headers = '{"a":"1","a":"2","q\\"":"x\\"}","n":null,"raw":{"base64":"/w=="},"e":""}';
  assertEquals(parseHeaders(text(headers)).map(({ key, value }) => [key, value && [...value]]), [
    ["a", [49]],
    ["a", [50]],
    ['q"', [120, 34, 125]],
    ["n", null],
    ["raw", [255]],
    ["e", []],
  ]);
  assertEquals(parseHeaders(null), []);
});

Deno.test("parseHeaders() reads back what a reader makes of headers, bytes and all", () => {
  const values = {
    "large bytes": new Uint8Array(300_000).fill(255),
    "byte order mark": Uint8Array.of(0xef, 0xbb, 0xbf, 65),
    "\ufeffname": text("x"),
    "large text": text("x".repeat(10_000_000)),
    "quotes": text('"\\'.repeat(100_000)),
  };
  const headers = Object.entries(values).map(([key, value]) => ({ key, value }));
  const batch = writeRecordBatch({ records: [recordOf("a", { headers })] });
  const limit = { maxBytes: 1 << 30, maxRows: 1 << 30 };
  const builder = new BatchBuilder({ limit, wants: { keys: false, headers: true }, maxRecordByteLength: 1 << 30 });
  new ChunkReader(batch, 0, []).read(builder);
  const back = parseHeaders(builder.finish("s/0", 1n, 0, 1).headers!.bytes);
  assertEquals(back.map(({ key }) => key), Object.keys(values));
  back.forEach(({ value }, i) => assertEquals(Buffer.compare(value!, headers[i].value), 0, headers[i].key));
});
