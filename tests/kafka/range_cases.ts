/** Ranges of topics of a real Apache Kafka, every record of them counted. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Kafka, Producer } from "kafkajs";
import { FatalError } from "../../src/runtime/errors.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import type { RangeSource } from "../../src/source/range_source.ts";
import { rangeConfig, rangeContext, rangesOf, readRange, readToEnd, WHOLE } from "../support/kafka_range_reader.ts";
import type { KafkaCluster } from "./cluster.ts";

export interface RangeCaseParts {
  readonly cluster: KafkaCluster;
  readonly kafka: Kafka;
  /** Sends a message to the partition that its key names. */
  readonly producer: Producer;
  kafkaTest(name: string, fn: () => Promise<void>): void;
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
  newTopic(partitions: number): Promise<string>;
}

const soon = () => AbortSignal.timeout(30_000);
/** An hour ago: what is older than the topic keeps expires meanwhile. */
const START_MS = 1000 * Math.floor(Date.now() / 1000) - 3_600_000;

function numbers(from: number, to: number, step = 1): string[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => String(from + step * i));
}

export function rangeCases({ cluster, kafka, producer, kafkaTest, until, newTopic }: RangeCaseParts): void {
  async function withRanges<T>(fields: Partial<KafkaConfig>, run: (source: RangeSource) => Promise<T>): Promise<T> {
    const source = rangesOf({
      nodes: cluster.nodes().split(","),
      fetchMaxWaitMs: 100,
      requestTimeoutMs: 10_000,
      ...fields,
    });
    try {
      return await run(source);
    } finally {
      await source.close();
    }
  }

  /** Message i goes to partition i modulo the partitions, with a time of i seconds. Several batches. */
  async function produceTimed(topic: string, from: number, to: number, partitions: number): Promise<void> {
    for (let i = from; i < to; i += 50) {
      const messages = numbers(i, Math.min(to, i + 50)).map((value) => ({
        key: String(Number(value) % partitions),
        value,
        timestamp: String(START_MS + 1000 * Number(value)),
      }));
      await producer.send({ topic, messages, acks: -1 });
    }
  }

  kafkaTest("a range by times and one by offsets have exactly their records", async () => {
    const topic = await newTopic(3);
    await produceTimed(topic, 0, 600, 3);
    await withRanges({ topic }, async (source) => {
      const from = { timestampMs: START_MS + 99_500 }, to = { timestampMs: START_MS + 400_000 };
      const { bySplit, missing } = await readRange(source, { from, to });
      const expected = (p: number) =>
        numbers(0, 600).filter((n) => Number(n) % 3 === p && Number(n) >= 100 && Number(n) < 400);
      assertEquals(bySplit, Object.fromEntries([0, 1, 2].map((p) => [`${topic}/${p}`, expected(p)])));
      assertEquals(missing, []);
    });
    await withRanges({ topic }, async (source) => {
      const { bySplit } = await readRange(source, { from: { positions: "0:10,2:19" }, to: { positions: "33" } });
      assertEquals(bySplit, { [`${topic}/0`]: numbers(30, 99, 3), [`${topic}/2`]: numbers(59, 101, 3) });
    });
    await withRanges({ topic }, async (source) => {
      const { splits, missing } = await source.plan({ ...WHOLE, from: { timestampMs: START_MS + 600_000 } }, soon());
      assertEquals([splits, missing], [[], []]);
    });
  });

  kafkaTest("ranges of one partition that follow each other have every record once, however they are cut", async () => {
    const topic = await newTopic(1);
    await produceTimed(topic, 0, 1000, 1);
    const seen: string[] = [];
    for (const [from, to] of [["0", "1"], ["1", "333"], ["333", "350"], ["350", "777"], ["777", "1000"]]) {
      await withRanges({ topic, partitionMaxByteLength: 2048 }, async (source) => {
        const request = { from: { positions: from }, to: { positions: to } };
        const { bySplit } = await readRange(source, request, { maxBytes: 500, maxRows: 70 });
        seen.push(...bySplit[`${topic}/0`]);
      });
    }
    assertEquals(seen, numbers(0, 1000));
  });

  kafkaTest("a range ends exactly before open and with aborted transactions and their control records", async () => {
    const topic = await newTopic(1);
    const transactional = kafka.producer({
      transactionalId: `range-${topic}`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await transactional.connect();
    const send = async (values: readonly string[]) => {
      const transaction = await transactional.transaction();
      await transaction.send({ topic, messages: values.map((value) => ({ value })) });
      return transaction;
    };
    await (await send(numbers(0, 10))).commit();
    await (await send(["x", "y"])).abort();
    const whole = (fields: Partial<KafkaConfig> = {}) =>
      withRanges({ topic, ...fields }, (source) => readRange(source));
    // 10 records, a marker, 2 records, a marker. The marker is written after abort() resolves.
    await until("the marker is there", async () => (await whole()).splits[0].end === "14");
    assertEquals((await whole()).bySplit, { [`${topic}/0`]: numbers(0, 10) });
    const open = await send(["later"]);
    const { splits: [{ end }], bySplit } = await whole();
    assertEquals([end, bySplit], ["14", { [`${topic}/0`]: numbers(0, 10) }]);
    const uncommitted = await whole({ isolationLevel: "read_uncommitted" });
    assertEquals(uncommitted.bySplit, { [`${topic}/0`]: [...numbers(0, 10), "x", "y", "later"] });
    await open.commit();
    await until("the transaction is over", async () => (await whole()).splits[0].end === "16");
    const rest = await withRanges({ topic }, (source) => readRange(source, { from: { positions: "14" } }));
    assertEquals(rest.bySplit, { [`${topic}/0`]: ["later"] });
    await transactional.disconnect();
  });

  kafkaTest("a range ends exactly where compaction left a gap", async () => {
    const topic = `${await newTopic(1)}-compact`;
    await cluster.createTopic(topic, 1, {
      "cleanup.policy": "compact",
      "min.cleanable.dirty.ratio": "0.01",
      "segment.ms": "500",
    });
    // One record a batch, so that whole batches go; the key decides the partition.
    const keyed = kafka.producer();
    await keyed.connect();
    for (let i = 0; i < 40; i++) {
      await keyed.send({ topic, messages: [{ key: i < 5 ? `first-${i}` : "same", value: String(i) }], acks: -1 });
    }
    const read = (request: Parameters<typeof readRange>[1] = {}) =>
      withRanges({ topic }, async (source) => (await readRange(source, request)).bySplit[`${topic}/0`]);
    let next = 40;
    await until("the log is compacted", async () => {
      await keyed.send({ topic, messages: [{ key: "same", value: String(next++) }], acks: -1 }); // rolls the segment
      const values = await read();
      return values.length < 20 && !values.includes("6");
    });
    const values = await read();
    assertEquals(values.slice(0, 5), numbers(0, 5));
    assertEquals(values.at(-1), String(next - 1));
    assertEquals(await read({ to: { positions: "20" } }), numbers(0, 5));
    assertEquals(await read({ from: { positions: "6" }, to: { positions: "20" } }), []);
    await keyed.disconnect();
  });

  kafkaTest("a range whose start has expired says so, and ends when more expires while it is read", async () => {
    const topic = await newTopic(1);
    await produceTimed(topic, 0, 300, 1);
    const admin = kafka.admin();
    await admin.connect();
    const expire = (offset: string) => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
    await admin.fetchTopicOffsets(topic);
    await expire("120");
    await withRanges({ topic }, async (source) => {
      const { missing, bySplit } = await readRange(source, { from: { positions: "100" }, to: { positions: "200" } });
      assertEquals(missing, [`Records of ${topic}/0 from offset 100 to 119 have expired.`]);
      assertEquals(bySplit, { [`${topic}/0`]: numbers(120, 200) });
    });
    await withRanges({ topic }, async (source) => {
      const { missing, splits } = await source.plan({ ...WHOLE, from: { timestampMs: START_MS + 50_000 } }, soon());
      assertEquals(missing, [`Records of ${topic}/0 before offset 120 have expired; some may have been in the range.`]);
      await source.open(splits, soon());
      await expire("250");
      source.begin(splits[0], splits[0].start);
      const { message } = await assertRejects(() => readToEnd(source, splits[0]), FatalError);
      assertStringIncludes(message, `Offsets 120 to 249 of ${topic}/0 expired before they were read`);
    });
    await admin.disconnect();
  });

  kafkaTest("a deleted topic ends its range", async () => {
    const topic = await newTopic(1);
    // A producer asks for the metadata of everything it ever sent to, and fails when one topic is gone.
    const own = kafka.producer();
    await own.connect();
    await own.send({ topic, messages: numbers(0, 10).map((value) => ({ value })), acks: -1 });
    await own.disconnect();
    const admin = kafka.admin();
    await admin.connect();
    await withRanges({ topic }, async (source) => {
      const { splits } = await source.plan(WHOLE, soon());
      await source.open(splits, soon());
      await admin.deleteTopics({ topics: [topic] });
      source.begin(splits[0], "0");
      const { message } = await assertRejects(() => readToEnd(source, splits[0]), FatalError);
      assertStringIncludes(message, `Topic ${topic} doesn't exist (any more)`);
    });
    await admin.disconnect();
  });

  kafkaTest("a job's place is published for Kafka's own tools, and the live group's is read", async () => {
    const topic = await newTopic(2);
    const fields = { topic, groupId: `live-${topic}` };
    await withRanges(fields, async (source) => {
      assertEquals(await source.published!("june", soon()), new Map());
      await source.publish!("june", new Map([[`${topic}/0`, "5"], [`${topic}/1`, "70"]]), soon());
      await source.publish!("june", new Map([[`${topic}/0`, "6"]]), soon());
      assertEquals(await source.published!("june", soon()), new Map([[`${topic}/0`, "6"], [`${topic}/1`, "70"]]));
    });
    const text = await cluster.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", [
      ...["--bootstrap-server", cluster.nodes(), "--describe", "--offsets", "--group", `live-${topic}-june`],
    ]);
    const offsets = text.split("\n").filter((line) => line.includes(` ${topic} `)).map((line) =>
      line.split(/\s+/).slice(2, 4)
    );
    assertEquals(offsets.sort(), [["0", "6"], ["1", "70"]]);
    const admin = kafka.admin();
    await admin.connect();
    await admin.setOffsets({ groupId: `live-${topic}`, topic, partitions: [{ partition: 1, offset: "3" }] });
    const config = rangeConfig({ ...fields, nodes: cluster.nodes().split(","), requestTimeoutMs: 10_000 });
    assertEquals(await kafkaSource.committed!(config, rangeContext(), soon()), new Map([[`${topic}/1`, "3"]]));
    const member = kafka.consumer({ groupId: `live-${topic}-july` });
    await member.connect();
    await member.subscribe({ topic });
    const joined = new Promise((resolve) => member.on(member.events.GROUP_JOIN, resolve));
    await member.run({ eachMessage: () => Promise.resolve() });
    await joined;
    await withRanges(fields, async (source) => {
      const publish = () => source.publish!("july", new Map([[`${topic}/0`, "5"]]), soon());
      const { message } = await assertRejects(publish, FatalError);
      assert(message.includes("has members"), message);
    });
    await member.disconnect();
    await admin.disconnect();
  });
}
