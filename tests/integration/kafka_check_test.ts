import { assertEquals, assertStringIncludes } from "@std/assert";
import type { CheckResult } from "../../src/runtime/check_result.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { defaultConfig } from "../support/default_config.ts";
import { recordOf } from "../support/kafka_log.ts";
import { FakeKafka, type FakeKafkaOptions } from "../support/kafka_broker.ts";
import { testRuntime } from "../support/stored_object.ts";

type Check = (fields?: Partial<KafkaConfig>) => Promise<readonly CheckResult[]>;

function checkTest(
  name: string,
  run: (cluster: FakeKafka, check: Check) => Promise<void>,
  options: FakeKafkaOptions = {},
): void {
  const fn = async () => {
    const cluster = new FakeKafka(options);
    cluster.createTopic("events", 2).forEach((log, i) => log.values(Array(10 + i).fill("x")));
    const check: Check = (fields = {}) => {
      const config = defaultConfig(kafkaSource.options, { nodes: cluster.nodes, topic: "events", ...fields });
      const context = { runtime: testRuntime(), wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
      return kafkaSource.check(config, context, new AbortController().signal);
    };
    try {
      await run(cluster, check);
    } finally {
      cluster.stop();
    }
  };
  Deno.test({ name: `kafka check ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

function failures(results: readonly CheckResult[]): string[] {
  return results.filter(({ ok }) => !ok).map(({ what, detail }) => `${what}: ${detail}`);
}

checkTest("says where the group is, and joins nothing", async (cluster, check) => {
  cluster.group("presto_streaming").offsets.set("events/0", { offset: 4n, metadata: null });
  const results = await check();
  assertEquals(failures(results), []);
  const { detail } = results.find(({ what }) => what === "group presto_streaming in topic events")!;
  assertEquals(detail, "6 records behind; 1 partitions have no committed offset, a new group starts at latest");
  const earliest = (await check({ offset: "earliest" })).find(({ what }) =>
    what.startsWith("group presto_streaming in")
  )!;
  assertEquals(
    earliest.detail,
    "6 records behind; 1 partitions have no committed offset, a new group starts at earliest, which makes 11 records to read",
  );
  assertEquals(cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.JoinGroup).length, 0);
});

checkTest("names partitions that an open transaction holds back", async (cluster, check) => {
  const log = cluster.log("events", 0), end = log.end;
  log.write({ records: [recordOf("a")], attributes: 16, producerId: 7n });
  log.values(["b"]);
  const found = (results: readonly CheckResult[]) => results.filter(({ what }) => what.includes("transaction"));
  const results = await check();
  assertEquals(failures(results), []);
  assertEquals(found(results), [{
    ok: true,
    what: "partition events/0 has an open transaction",
    detail: `nothing from offset ${end} on can be read until it ends, 2 offsets wait behind it; if it stays, ` +
      "kafka-transactions.sh find-hanging --topic events --partition 0 shows whose it is, and abort ends it",
  }]);
  assertEquals(found(await check({ isolationLevel: "read_uncommitted" })), []);
  log.endTransaction(7n, true);
  assertEquals(found(await check()), []);
});

checkTest("names the broker that doesn't answer, and goes on with the others", async (cluster, check) => {
  cluster.broker(2).stop();
  for (const log of cluster.topics.get("events")!) log.leader = 1;
  const found = failures(await check());
  assertEquals(found.length, 1);
  assertStringIncludes(found[0], `broker ${cluster.nodes[1]} answers: Cannot connect to broker ${cluster.nodes[1]}`);
}, { brokers: 2 });

checkTest("names the broker that only the cluster knows, and keeps what it has found", async (cluster, check) => {
  const [first, second] = cluster.nodes;
  cluster.broker(2).stop();
  cluster.advertised = [1, 2];
  const results = await check({ nodes: [first, first] });
  const refused = `Cannot connect to broker ${second}: connect ECONNREFUSED ${second}`;
  assertEquals(failures(results), [
    `broker ${second} answers: ${refused} (the cluster gives this address to its clients: advertised.listeners)`,
    `topic events may be read: ${refused}`,
  ]);
  const found = results.filter(({ ok }) => ok).map(({ what }) => what);
  assertEquals(found, [`broker ${first} answers`, "topic events exists", "group presto_streaming may be used"]);
}, { brokers: 2 });

checkTest("names the topic that doesn't exist, and the pattern that matches nothing", async (_, check) => {
  assertEquals(failures(await check({ topic: "events,missing" })), [
    "topic missing exists: it doesn't, or its DESCRIBE right is missing: create it or correct kafka.topic",
  ]);
  assertEquals(failures(await check({ topic: "mis.*g" })), ["topics match mis.*g: none of those that we may see does"]);
});

checkTest("leaves out the brokers' own topics, as reading does", async (cluster, check) => {
  cluster.createTopic("__consumer_offsets", 1);
  const topics = (await check({ topic: ".*" })).filter(({ what }) => what.endsWith("exists")).map(({ what }) => what);
  assertEquals(topics, ["topic events exists"]);
});

checkTest("looks for the historical topic", async (cluster, check) => {
  assertEquals(failures(await check({ historicalTopic: "late" })), [
    "historical topic late may be written: create it, and give us its DESCRIBE and WRITE rights",
  ]);
  cluster.createTopic("late", 1);
  assertEquals(failures(await check({ historicalTopic: "late" })), []);
  cluster.rights = ~16;
  assertEquals(failures(await check({ historicalTopic: "late" })), [
    "historical topic late may be written: its WRITE right is missing",
  ]);
  cluster.rights = -(2 ** 31); // not told
  assertEquals(failures(await check({ historicalTopic: "late" })), []);
});

checkTest("names the right that is missing", async (cluster, check) => {
  const refuse = (key: number, code: number) => {
    cluster.fault = ({ apiKey }) => apiKey === key ? code : undefined;
  };
  refuse(ApiKey.Fetch, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  assertEquals(failures(await check()), ["topic events may be read: its READ right is missing"]);
  refuse(ApiKey.Metadata, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  assertEquals(failures(await check()), ["topic events exists: its DESCRIBE right is missing"]);
  refuse(ApiKey.Heartbeat, ErrorCode.GROUP_AUTHORIZATION_FAILED);
  assertEquals(failures(await check()), [
    "group presto_streaming may be used: its READ right is missing, there is only DESCRIBE",
  ]);
  refuse(ApiKey.OffsetFetch, ErrorCode.GROUP_AUTHORIZATION_FAILED);
  assertEquals(failures(await check()), [
    "group presto_streaming may be used: Not allowed to use consumer group presto_streaming: its READ right is missing (OffsetFetch)",
  ]);
});

checkTest("says that the login is refused, without the password", async (_, check) => {
  const login = { securityProtocol: "SASL_PLAINTEXT", saslUsername: "alice", saslPassword: "looking-glass" } as const;
  const [found] = failures(await check(login));
  assertStringIncludes(found, "refused the login");
  assertEquals(found.includes("looking-glass"), false);
}, { users: { alice: "wonderland" } });
