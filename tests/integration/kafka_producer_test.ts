import { assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../src/runtime/errors.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import { connectKafka } from "../../src/source/kafka/network/connect.ts";
import { TopicProducer } from "../../src/source/kafka/producer.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka, type Fault } from "../support/kafka_broker.ts";
import { recordOf } from "../support/kafka_log.ts";
import { KafkaReader } from "../support/kafka_reader.ts";
import { testRuntime } from "../support/stored_object.ts";

const NEVER = new AbortController().signal;

async function withProducer(run: (cluster: FakeKafka, producer: TopicProducer) => Promise<void>): Promise<void> {
  const cluster = new FakeKafka({ brokers: 2 });
  cluster.createTopic("late", 3);
  const runtime = testRuntime();
  const config = defaultConfig(kafkaSource.options, { nodes: cluster.nodes, topic: "late", requestTimeoutMs: 300 });
  const client = connectKafka(config, runtime);
  try {
    await run(cluster, new TopicProducer(client, "late", { runtime, timeoutMs: 300 }));
  } finally {
    client.close();
    cluster.stop();
  }
}

function producerTest(name: string, run: (cluster: FakeKafka, producer: TopicProducer) => Promise<void>): void {
  Deno.test({
    name: `TopicProducer ${name}`,
    fn: () => withProducer(run),
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

producerTest("keeps keys, headers, times and the order of a key's records", async (cluster, producer) => {
  const text = (value: string) => new TextEncoder().encode(value);
  const records = Array.from({ length: 300 }, (_, i) =>
    recordOf(`${i % 10}:${i}`, {
      key: text(`k${i % 10}`),
      headers: [{ key: "n", value: text(String(i)) }],
      timestamp: 1_700_000_000_000 + i,
    }));
  await producer.produce(records, NEVER);
  await producer.produce([recordOf("no key"), recordOf(null)], NEVER);
  const reader = await new KafkaReader({ nodes: cluster.nodes, topic: "late" }, {
    wants: { keys: true, headers: true },
  })
    .start();
  await reader.until("everything", () => reader.values.length === 302);
  for (let key = 0; key < 10; key++) {
    const mine = reader.values.filter((value) => value.startsWith(`${key}:`)).map((value) => Number(value.slice(2)));
    assertEquals(mine, Array.from({ length: 30 }, (_, i) => i * 10 + key));
  }
  await reader.close();
});

for (
  const fault of ["hang up", ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_ENOUGH_REPLICAS, "silence"] as Fault[]
) {
  producerTest(`stores everything in the end after ${fault}`, async (cluster, producer) => {
    let faults = 2;
    cluster.fault = ({ apiKey }) => apiKey === ApiKey.Produce && faults-- > 0 ? fault : undefined;
    await producer.produce([recordOf("a"), recordOf("b")], NEVER);
    assertEquals(cluster.topics.get("late")!.map(({ end }) => end).reduce((a, b) => a + b), 2);
  });
}

producerTest("ends with a clear error when it may not write, or a record is too large", async (cluster, producer) => {
  cluster.fault = ({ apiKey }) => apiKey === ApiKey.Produce ? ErrorCode.TOPIC_AUTHORIZATION_FAILED : undefined;
  await assertRejects(() => producer.produce([recordOf("a")], NEVER), FatalError, "WRITE right is missing");
  cluster.fault = ({ apiKey }) => apiKey === ApiKey.Produce ? ErrorCode.MESSAGE_TOO_LARGE : undefined;
  await assertRejects(() => producer.produce([recordOf("a")], NEVER), FatalError, "MESSAGE_TOO_LARGE");
});

producerTest("makes batches that a topic takes with its usual limit, headers and all", async (cluster, producer) => {
  const header = { key: "trace", value: new Uint8Array(400) };
  await producer.produce(Array.from({ length: 6000 }, (_, i) => recordOf(String(i), { headers: [header] })), NEVER);
  assertEquals(cluster.topics.get("late")!.reduce((sum, { end }) => sum + end, 0), 6000);
});

producerTest("makes smaller batches for a topic that wants them, in the same order", async (cluster, producer) => {
  cluster.maxBatchByteLength = 3000;
  const key = Uint8Array.of(1);
  await producer.produce(Array.from({ length: 1000 }, (_, i) => recordOf(String(i), { key })), NEVER);
  const reader = await new KafkaReader({ nodes: cluster.nodes, topic: "late" }).start();
  await reader.until("everything", () => reader.values.length === 1000);
  assertEquals(reader.values, Array.from({ length: 1000 }, (_, i) => String(i)));
  await reader.close();
  const large = recordOf("x".repeat(3000));
  await assertRejects(() => producer.produce([large], NEVER), FatalError, "larger than its max.message.bytes");
});
