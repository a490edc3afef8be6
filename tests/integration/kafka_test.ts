import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertStringIncludes,
} from "@std/assert";
import { gzipSync } from "node:zlib";
import { FatalError } from "../../src/runtime/errors.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { textAt } from "../support/batch_texts.ts";
import { FakeKafka, type FakeKafkaOptions } from "../support/kafka_broker.ts";
import { recordOf } from "../support/kafka_log.ts";
import { KafkaReader, type ReaderOptions } from "../support/kafka_reader.ts";
import { until } from "../support/until.ts";

interface World {
  readonly cluster: FakeKafka;
  /** A reader that is closed with the test. */
  reader(fields?: Partial<KafkaConfig>, options?: ReaderOptions): Promise<KafkaReader>;
  /** As `reader`, not started. */
  create(fields?: Partial<KafkaConfig>, options?: ReaderOptions): KafkaReader;
}

function kafkaTest(name: string, run: (world: World) => Promise<void>, options: FakeKafkaOptions = {}): void {
  const fn = async () => {
    const cluster = new FakeKafka(options);
    const readers: KafkaReader[] = [];
    const create = (fields: Partial<KafkaConfig> = {}, options?: ReaderOptions) => {
      const reader = new KafkaReader({ nodes: cluster.nodes, ...fields }, options);
      readers.push(reader);
      return reader;
    };
    try {
      await run({ cluster, create, reader: (fields, options) => create(fields, options).start() });
    } finally {
      await Promise.all(readers.map((reader) => reader.crash()));
      cluster.stop();
    }
  };
  // The cluster lives in this process: what it opens is not the source's leak.
  Deno.test({ name: `kafka: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

function sorted(values: readonly string[]): string[] {
  return [...values].sort((a, b) => Number(a) - Number(b));
}

kafkaTest(
  "a partition without a committed offset commits its start before anything is fetched",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    log.values(numbers(0, 10));
    const one = await reader({ offset: "latest" });
    await one.until("assigned", () => one.owned.size === 1);
    assertEquals(cluster.group("readers").commits.map(({ split, offset }) => [split, offset]), [["events/0", 10n]]);
    const commit = cluster.requests.findIndex(({ apiKey }) => apiKey === ApiKey.OffsetCommit);
    const fetch = cluster.requests.findIndex(({ apiKey }) => apiKey === ApiKey.Fetch);
    assert(fetch < 0 || commit < fetch, "it fetched before the start was committed");
    log.values(numbers(10, 15));
    await one.until("the new ones", () => one.values.length === 5);
    assertEquals(one.values, numbers(10, 15));
  },
);

kafkaTest("partitions and topics that appear later start at earliest", async ({ cluster, reader }) => {
  cluster.createTopic("events-a", 1)[0].values(numbers(0, 5));
  const one = await reader({ topic: "events-.*", offset: "latest" }, { autoCommit: true });
  await one.until("assigned", () => one.owned.size === 1);
  const [, grown] = cluster.createTopic("events-a", 2);
  grown.values(["grown"]);
  await one.until("the new partition", () => one.values.includes("grown"));
  cluster.createTopic("events-b", 1)[0].values(["fresh"]);
  cluster.createTopic("other", 1)[0].values(["not ours"]);
  await one.until("the new topic", () => one.values.includes("fresh"));
  assertEquals([...one.owned.keys()].sort(), ["events-a/0", "events-a/1", "events-b/0"]);
  assertEquals(one.values.filter((value) => value === "not ours"), []);
  await one.close();
  // Nobody was there when it came into being.
  cluster.createTopic("events-c", 1)[0].values(["while away"]);
  const two = await reader({ topic: "events-.*", offset: "latest" });
  await two.until("the topic that came meanwhile", () => two.values.includes("while away"));
  assertEquals(two.values, ["while away"]);
});

kafkaTest("a pattern leaves out the brokers' own topics", async ({ cluster, reader }) => {
  for (const name of ["__consumer_offsets", "events"]) cluster.createTopic(name, 1)[0].values([name]);
  const one = await reader({ topic: ".*" });
  await one.until("everything", () => one.values.length === 1);
  assertEquals([...one.owned.keys()], ["events/0"]);
});

kafkaTest("members that come and go share the partitions, every record once", async ({ cluster, reader }) => {
  const logs = cluster.createTopic("events", 6);
  let produced = 0;
  const produce = (count: number) => {
    for (let i = 0; i < count; i++, produced++) logs[produced % 6].values([String(produced)]);
  };
  produce(60);
  const one = await reader();
  await one.until("everything", () => one.values.length === 60);
  const [two, three] = await Promise.all([reader(), reader()]);
  const all = () => [one, two, three].flatMap(({ values }) => values);
  await until("equal shares", () => [one, two, three].every(({ owned }) => owned.size === 2));
  produce(60);
  await until("the second part", () => all().length >= 120);
  assertGreater(two.values.length, 0);
  assertGreater(three.values.length, 0);
  await two.close();
  produce(60);
  await until("equal shares", () => one.owned.size === 3 && three.owned.size === 3);
  await until("the third part", () => all().length >= 180);
  assertEquals(sorted(all()), numbers(0, 180));
});

for (const strategy of ["range", "roundrobin", "cooperative-sticky"] as const) {
  kafkaTest(
    `${strategy}: heartbeats go on while what is held is written and committed`,
    async ({ cluster, reader }) => {
      cluster.createTopic("events", 4).forEach((log, i) => log.values(numbers(10 * i, 10 * i + 10)));
      const gate = Promise.withResolvers<void>();
      const one = await reader({ assignmentStrategy: strategy, sessionTimeoutMs: 900 }, {
        beforeRevoked: () => gate.promise,
      });
      await one.until("everything", () => one.values.length === 40);
      const two = await reader({ assignmentStrategy: strategy, sessionTimeoutMs: 900 });
      await one.until("asked to let go", () => one.turns.some((turn) => turn.startsWith("revoking")));
      const before = cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Heartbeat).length;
      // Longer than the session: without heartbeats the group would go on without us.
      while (cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Heartbeat).length < before + 6) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals(cluster.group("readers").members.size, 2);
      gate.resolve();
      await two.until("its share", () => two.owned.size === 2);
      await one.until("its share", () => one.owned.size === 2);
      assertEquals(two.values, []);
      assertEquals(one.turns.filter((turn) => turn.startsWith("lost") || turn.startsWith("refused")), []);
      if (strategy === "cooperative-sticky") {
        assertEquals(one.turns.filter((turn) => turn.startsWith("revoking")).length, 2, "it gave up what stays");
      }
    },
  );
}

kafkaTest(
  "a member that was expelled drops everything and commits nothing more for it",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    log.values(numbers(0, 10));
    const one = await reader();
    await one.until("everything", () => one.values.length === 10);
    const [{ split, epoch }] = one.batches;
    const group = cluster.group("readers");
    group.expel([...group.members.keys()][0]);
    await one.until("lost", () => one.turns.includes("lost events/0"));
    await one.source.commit(split, epoch, "10", new AbortController().signal).then(
      () => assert(false, "the commit went through"),
      (error) => assertEquals(error.code, "SPLIT_LOST"),
    );
    await one.until("back again", () => one.values.length === 20);
    assertEquals(one.values, [...numbers(0, 10), ...numbers(0, 10)]);
    assertGreater(one.batches.at(-1)!.epoch, epoch);
  },
);

kafkaTest("a commit that the coordinator refuses is a lost split", async ({ cluster, reader }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 10));
  const one = await reader();
  await one.until("everything", () => one.values.length === 10);
  cluster.fault = ({ apiKey }) => apiKey === ApiKey.OffsetCommit ? ErrorCode.ILLEGAL_GENERATION : undefined;
  await one.commit("events/0");
  cluster.fault = () => undefined;
  assertEquals(one.turns.includes("refused events/0"), true);
  await one.until("back again", () => one.values.length === 20);
});

kafkaTest(
  "cooperative-sticky: a join that has to be tried again costs no partition",
  async ({ cluster, reader }) => {
    const logs = cluster.createTopic("events", 1);
    logs[0].values(numbers(0, 10));
    const one = await reader({ assignmentStrategy: "cooperative-sticky" });
    await one.until("everything", () => one.values.length === 10);
    let refusals = 3;
    cluster.fault = ({ apiKey }) =>
      apiKey === ApiKey.SyncGroup && refusals-- > 0 ? ErrorCode.REBALANCE_IN_PROGRESS : undefined;
    cluster.createTopic("events", 2)[1].values(["new"]);
    // The coordinator has gone on to the next generation, and we are not in it yet.
    await one.until("a join that failed", () => one.logs.some(({ message }) => message.includes("SyncGroup")));
    await one.commit("events/0");
    assertEquals(cluster.group("readers").offsets.get("events/0")?.offset, 10n);
    logs[0].values(numbers(10, 20));
    await one.until("the rest", () => one.values.length === 21);
    assertEquals(one.turns, ["assigned events/0 from 0", "assigned events/1 from 0"]);
  },
);

kafkaTest(
  "cooperative-sticky: a member that is expelled while it joins drops everything and begins anew",
  async ({ cluster, reader }) => {
    const logs = cluster.createTopic("events", 1);
    logs[0].values(numbers(0, 10));
    const one = await reader({ assignmentStrategy: "cooperative-sticky" });
    await one.until("everything", () => one.values.length === 10);
    cluster.fault = ({ apiKey }) => apiKey === ApiKey.JoinGroup ? "hang up" : undefined;
    cluster.createTopic("events", 2);
    await one.until("a join that failed", () => one.logs.some(({ message }) => message.includes("JoinGroup")));
    const group = cluster.group("readers");
    group.expel([...group.members.keys()][0]);
    await one.commit("events/0");
    cluster.fault = () => undefined;
    await one.until("everything again", () => one.values.length === 20);
    assertEquals(one.turns.slice(0, 3), ["assigned events/0 from 0", "refused events/0", "lost events/0"]);
    await one.commit("events/0");
    assertEquals(group.offsets.get("events/0")?.offset, 10n);
  },
);

kafkaTest("commits of many partitions at a time go in one request", async ({ cluster, reader }) => {
  cluster.createTopic("events", 50).forEach((log, i) => log.values([String(i)]));
  const one = await reader();
  await one.until("everything", () => one.values.length === 50);
  const before = cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.OffsetCommit).length;
  await Promise.all([...one.owned.keys()].map((split) => one.commit(split)));
  const after = cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.OffsetCommit).length;
  assertEquals(after - before, 1);
  assertEquals([...cluster.group("readers").offsets.values()].map(({ offset }) => offset), Array(50).fill(1n));
});

for (
  const fault of [
    "hang up",
    "lose answer",
    "silence",
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ] as const
) {
  kafkaTest(`a commit goes through in the end after ${fault}`, async ({ cluster, reader }) => {
    cluster.createTopic("events", 1)[0].values(numbers(0, 10));
    const one = await reader({ requestTimeoutMs: 300 });
    await one.until("everything", () => one.values.length === 10);
    let faults = 2;
    cluster.fault = ({ apiKey }) => apiKey === ApiKey.OffsetCommit && faults-- > 0 ? fault : undefined;
    await one.commit("events/0");
    assertEquals(cluster.group("readers").offsets.get("events/0")?.offset, 10n);
  });
}

for (const fault of ["half an answer", "another's answer"] as const) {
  kafkaTest(`all is read and committed though brokers now and then send ${fault}`, async ({ cluster, reader }) => {
    const logs = cluster.createTopic("events", 4);
    logs.forEach((log, i) => log.values(numbers(10 * i, 10 * i + 10)));
    const one = await reader({ requestTimeoutMs: 150 }, { autoCommit: true });
    await one.until("everything", () => one.values.length === 40);
    let requests = 0, faults = 0;
    cluster.fault = () => ++requests % 3 === 0 && ++faults <= 6 ? fault : undefined;
    logs.forEach((log, i) => log.values(numbers(40 + 10 * i, 50 + 10 * i)));
    await one.until("the rest", () => new Set(one.values).size === 80);
    const { offsets } = cluster.group("readers");
    await until("all is committed", () => logs.every((_, i) => offsets.get(`events/${i}`)?.offset === 20n));
    await until("the faults are over", () => faults > 6);
    assertEquals(one.failure, undefined);
  });
}

kafkaTest("leaders and the coordinator move: reading and committing follow them", async ({ cluster, reader }) => {
  const logs = cluster.createTopic("events", 3);
  logs.forEach((log, i) => log.values(numbers(10 * i, 10 * i + 10)));
  const one = await reader({}, { autoCommit: true });
  await one.until("everything", () => one.values.length === 30);
  for (const log of logs) log.leader = log.leader % 3 + 1;
  cluster.coordinator = 2;
  logs.forEach((log, i) => log.values(numbers(30 + 10 * i, 40 + 10 * i)));
  await one.until("the rest", () => one.values.length === 60);
  assertEquals(sorted(one.values), numbers(0, 60));
  cluster.broker(1).stop();
  logs.forEach((log) => log.leader = log.leader === 1 ? 3 : log.leader);
  logs.forEach((log, i) => log.values(numbers(60 + 10 * i, 70 + 10 * i)));
  await one.until("what is left", () => one.values.length === 90);
  assertEquals(sorted(one.values), numbers(0, 90));
}, { brokers: 3 });

kafkaTest(
  "reads from the replica in its rack, and from the leader when that goes away",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    log.follower = 2;
    log.values(numbers(0, 5));
    const one = await reader({ rack: "here" });
    await one.until("everything", () => one.values.length === 5);
    const fetches = cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Fetch);
    assertEquals(fetches.slice(0, 2).map(({ nodeId }) => nodeId), [1, 2]);
    cluster.broker(2).stop();
    log.follower = null;
    log.values(numbers(5, 10));
    await one.until("the rest", () => one.values.length === 10);
    assertEquals(one.values, numbers(0, 10));
  },
  { brokers: 2 },
);

kafkaTest(
  "asks the leader again from time to time whether the replica in its rack is still good",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    log.follower = 2;
    log.values(numbers(0, 5));
    const one = await reader({ rack: "here" });
    await one.until("everything", () => one.values.length === 5);
    log.followerEnd = 5;
    log.values(numbers(5, 10));
    const fetchesOf = (id: number) =>
      cluster.requests.filter(({ apiKey, nodeId }) => apiKey === ApiKey.Fetch && nodeId === id).length;
    const before = fetchesOf(1);
    await until("the leader is asked", () => fetchesOf(1) > before);
    assertEquals(one.values.length, 5);
    log.follower = null; // the leader has noticed
    await one.until("the rest", () => one.values.length === 10);
    assertEquals(one.values, numbers(0, 10));
  },
  { brokers: 2 },
);

kafkaTest("waits for a partition that has no leader, and says so", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  const one = await reader();
  await one.until("assigned", () => one.owned.size === 1);
  log.leader = -1;
  log.values(numbers(0, 3));
  await one.until(
    "a warning",
    () => one.logs.some(({ message }) => message.startsWith("kafka fetch of a partition fails")),
  );
  log.leader = 1;
  await one.until("everything", () => one.values.length === 3);
});

kafkaTest("waits for a broker whose name can't be looked up, whatever it is called", async ({ cluster, create }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 3));
  const names = ["certificate", "alerts", "SASL"].map((name) => `${name}.kafka.invalid:9092`);
  const alone = create({ nodes: names });
  void alone.start().catch(() => {});
  await alone.until("a warning", () => alone.logs.some(({ level }) => level === "warn"));
  const { message } = alone.logs.find(({ level }) => level === "warn")!;
  assertStringIncludes(message, "Cannot connect to broker alerts.kafka.invalid:9092");
  const one = create({ nodes: [...names, ...cluster.nodes] });
  await one.start();
  await one.until("everything", () => one.values.length === 3);
});

kafkaTest(
  "a partition that has no leader when it is assigned holds up neither the others nor the group",
  async ({ cluster, reader }) => {
    const logs = cluster.createTopic("events", 2);
    logs.forEach((log, i) => log.values(numbers(10 * i, 10 * i + 3)));
    logs[1].leader = -1;
    const one = await reader();
    await one.until("what can be read", () => one.values.length === 3);
    assertEquals(one.values, numbers(0, 3));
    const two = await reader();
    await two.until("its share of what is wrong", () => two.logs.some(({ level }) => level === "warn"));
    await one.until("its own share", () => one.owned.size === 1 && one.turns.length === 3);
    assertEquals(one.turns.filter((turn) => turn.startsWith("lost")), []);
    logs[1].leader = 1;
    await until("everything", () => one.values.length + two.values.length === 6);
    assertEquals(sorted([...one.values, ...two.values]), [...numbers(0, 3), ...numbers(10, 13)]);
  },
);

kafkaTest("waits for brokers that are down at the start, and says so", async ({ cluster, create }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 3));
  cluster.broker(1).stop();
  const one = create();
  const starting = one.start();
  await one.until("a warning", () => one.logs.some(({ level }) => level === "warn"));
  const { message } = one.logs.find(({ level }) => level === "warn")!;
  assertStringIncludes(message, "No broker answers Metadata: Cannot connect to broker 127.0.0.1:");
  cluster.broker(1).start();
  await starting;
  await one.until("everything", () => one.values.length === 3);
});

kafkaTest("waits for a topic that doesn't exist, and says so", async ({ cluster, reader }) => {
  const one = await reader({ offset: "latest" });
  await one.until("a warning", () => one.logs.some(({ message }) => message === "topic doesn't exist; waiting for it"));
  cluster.createTopic("events", 1)[0].values(numbers(0, 3));
  await one.until("everything", () => one.values.length === 3);
});

kafkaTest("a commit for a topic that was deleted is given up, and says so", async ({ cluster, reader }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 5));
  const one = await reader({ metadataMaxAgeMs: 60_000 });
  await one.until("everything", () => one.values.length === 5);
  cluster.topics.delete("events");
  await one.commit("events/0");
  assertEquals(one.turns, ["assigned events/0 from 0", "lost events/0", "refused events/0"]);
  const [warning] = one.logs.filter(({ message }) => message.startsWith("kafka commit fails"));
  const { partitions, split, reason } = warning.fields;
  assertEquals([partitions, split, reason], [1, "events/0", "UNKNOWN_TOPIC_OR_PARTITION (3)"]);
});

for (const strategy of ["range", "cooperative-sticky"] as const) {
  kafkaTest(
    `${strategy}: a topic that is deleted holds up no other's commits, and is read again when it is made anew`,
    async ({ cluster, reader }) => {
      const [log] = cluster.createTopic("events", 1);
      log.values(numbers(0, 5));
      cluster.createTopic("gone", 1)[0].values(numbers(100, 105));
      const one = await reader({ topic: "events,gone", assignmentStrategy: strategy });
      await one.until("everything", () => one.values.length === 10);
      cluster.topics.delete("gone");
      await Promise.all(["events/0", "gone/0"].map((split) => one.commit(split)));
      const group = cluster.group("readers");
      assertEquals(group.offsets.get("events/0")?.offset, 5n);
      log.values(numbers(5, 8));
      await one.until("the other topic goes on", () => one.values.length === 13);
      await one.commit("events/0");
      assertEquals(group.offsets.get("events/0")?.offset, 8n);
      group.offsets.delete("gone/0");
      cluster.createTopic("gone", 1)[0].values(numbers(200, 203));
      await one.until("the new topic", () => one.values.length === 16);
      assertEquals(one.values.slice(-3), numbers(200, 203));
      await one.commit("gone/0");
      assertEquals(group.offsets.get("gone/0")?.offset, 3n);
    },
  );
}

const MADE_ANEW =
  "the topic was deleted and made anew: what was not read of the old one is gone; the new one is read from its start";

for (const version of [13, 12, 11]) {
  kafkaTest(
    `a topic made anew while it is read is read from its start, with Fetch v${version}`,
    async ({ cluster, reader }) => {
      cluster.newest = { [ApiKey.Fetch]: version };
      cluster.createTopic("events", 1)[0].values(numbers(0, 5));
      const one = await reader({}, { autoCommit: true });
      await one.until("the old topic", () => cluster.group("readers").offsets.get("events/0")?.offset === 5n);
      cluster.deleteTopic("events");
      cluster.createTopic("events", 1)[0].values(numbers(100, 110));
      await one.until("the new topic", () => new Set(one.values).size === 15);
      await one.until("committed", () => cluster.group("readers").offsets.get("events/0")?.offset === 10n);
      const errors = one.logs.filter(({ level }) => level === "error");
      assertEquals(errors.map(({ message }) => message), [MADE_ANEW]);
      assertEquals([errors[0].fields.split, errors[0].fields.goesOnAt], ["events/0", 0]);
      assertEquals(one.turns.slice(-2), ["revoking events/0", "assigned events/0 from 0"]);
    },
  );
}

kafkaTest(
  "an offset that was committed for an earlier topic of the name isn't believed",
  async ({ cluster, reader }) => {
    cluster.createTopic("events", 1)[0].values(numbers(0, 5));
    const one = await reader({}, { autoCommit: true });
    const { offsets } = cluster.group("readers");
    await one.until("committed", () => offsets.get("events/0")?.offset === 5n);
    await one.close();
    const old = offsets.get("events/0")!;
    cluster.deleteTopic("events");
    cluster.createTopic("events", 1)[0].values(numbers(100, 110));
    offsets.set("events/0", old);
    const two = await reader({ offset: "latest" }, { autoCommit: true });
    await two.until("the new topic", () => two.values.length === 10);
    assertEquals(two.logs.filter(({ level }) => level === "error").map(({ message }) => message), [MADE_ANEW]);
  },
);

kafkaTest("brokers without ids: a topic that was gone loses its positions", async ({ cluster, reader }) => {
  cluster.newest = { [ApiKey.Metadata]: 8, [ApiKey.Fetch]: 11 };
  cluster.createTopic("events", 1)[0].values(numbers(0, 5));
  cluster.createTopic("other", 1);
  const one = await reader({ topic: "events|other" }, { autoCommit: true });
  const { offsets } = cluster.group("readers");
  await one.until("committed", () => offsets.get("events/0")?.offset === 5n);
  cluster.topics.delete("events");
  await one.until("it is given up", () => one.owned.has("other/0") && !one.owned.has("events/0"));
  assertEquals(one.logs.filter(({ message }) => message.startsWith("topic is gone:")).length, 1);
  cluster.createTopic("events", 1)[0].values(numbers(100, 110));
  await one.until("the new topic", () => one.values.length === 15);
  assertEquals(one.turns.at(-1), "assigned events/0 from 0");
});

kafkaTest("a log that lost its end in an unclean election is read again from there", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 10; i++) log.values([String(i)]);
  const one = await reader({}, { autoCommit: true });
  await one.until("committed", () => cluster.group("readers").offsets.get("events/0")?.offset === 10n);
  log.loseEnd(6);
  for (let i = 100; i < 108; i++) log.values([String(i)]);
  await one.until("what is there in its place", () => one.values.length === 18);
  assertEquals(one.values.slice(10), numbers(100, 108));
  const [error] = one.logs.filter(({ level }) => level === "error");
  assertEquals(
    error.message,
    "the log lost its end in an unclean election, and has other records there now: they are read, too",
  );
  assertEquals(error.fields, { split: "events/0", offset: 10, goesOnAt: 6 });
  const committed = () => cluster.group("readers").offsets.get("events/0");
  await one.until("committed", () => committed()?.offset === 14n);
  // The same offsets stand for other records: units of theirs have other names, after a restart, too.
  const [before, after] = [one.batches[0].log!, one.batches.at(-1)!.log!];
  assertEquals(after, `${before}#1`);
  assertEquals(committed()!.metadata, JSON.stringify({ topicId: before.split("/")[1], cuts: 1 }));
  await one.close();
  log.values(["more"]);
  const two = await reader();
  await two.until("what came then", () => two.values.length === 1);
  assertEquals([two.turns, two.batches[0].log], [["assigned events/0 from 14"], after]);
});

kafkaTest("a follower that is behind isn't taken for a log that lost its end", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 10; i++) log.values([String(i)]);
  const one = await reader({ rack: "here" }, { autoCommit: true });
  await one.until("everything", () => one.values.length === 10);
  const asked = () => cluster.requests.filter(({ apiKey, nodeId }) => apiKey === ApiKey.Fetch && nodeId === 2).length;
  log.followerEnd = 6;
  log.follower = 2;
  await until("the follower is asked", () => asked() > 1);
  log.follower = null;
  log.values(["10"]);
  await one.until("the rest", () => one.values.length > 10);
  assertEquals(one.values, numbers(0, 11));
  assertEquals(one.turns, ["assigned events/0 from 0"]);
}, { brokers: 2 });

kafkaTest(
  "an unclean election while nobody reads is noticed by the epoch of the committed offset",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    for (let i = 0; i < 10; i++) log.values([String(i)]);
    const one = await reader({}, { autoCommit: true });
    await one.until("committed", () => cluster.group("readers").offsets.get("events/0")?.offset === 10n);
    await one.close();
    log.loseEnd(6);
    for (let i = 100; i < 108; i++) log.values([String(i)]);
    const two = await reader({}, { autoCommit: true });
    await two.until("what is there in its place", () => two.values.length === 8);
  },
);

kafkaTest("skips what expired before it was read, loudly", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 10; i++) log.values([String(i)]);
  cluster.group("readers").offsets.set("events/0", { offset: 2n, metadata: null });
  log.deleteBefore(6);
  const one = await reader({}, { autoCommit: true });
  await one.until("what is left", () => one.values.length === 4);
  assertEquals(one.values, numbers(6, 10));
  const [error] = one.logs.filter(({ level }) => level === "error");
  assertEquals(error.message, "records expired before they were read");
  assertEquals(error.fields, { split: "events/0", offset: 2, first: 6, end: 10, goesOnAt: 6, skipped: 4 });
  assertEquals(one.metrics.total("kafka_skipped_records_total"), 4);
  assertEquals(one.batches[0].start, "2");
  assertEquals(one.batches[0].gap, { reason: "expired", start: "2", next: "6", records: 4 });
  assertEquals(one.turns, ["assigned events/0 from 2"]);
});

kafkaTest("what a setting leaves out is skipped, behind what was fetched before", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 10; i++) log.values([String(i)]);
  cluster.group("readers").offsets.set("events/0", { offset: 2n, metadata: null });
  log.deleteBefore(6);
  const one = await reader({ outOfRange: "latest" }, { autoCommit: true });
  await one.until("the gap", () => one.batches.length === 1);
  assertEquals(one.batches[0].gap, { reason: "skipped", start: "2", next: "10", records: 8 });
  log.values(["10"]);
  await one.until("what comes then", () => one.values.length === 1);
  assertEquals(one.values, ["10"]);
});

kafkaTest("begins again in a new epoch when the topic was made anew", async ({ cluster, reader }) => {
  cluster.createTopic("events", 1)[0].values(numbers(0, 3));
  cluster.group("readers").offsets.set("events/0", { offset: 100n, metadata: null });
  const one = await reader({}, { autoCommit: true });
  await one.until("everything", () => one.values.length === 3);
  assertEquals(one.turns, ["assigned events/0 from 100", "revoking events/0", "assigned events/0 from 0"]);
  await one.until("committed", () => cluster.group("readers").offsets.get("events/0")?.offset === 3n);
});

for (const outOfRange of ["earliest", "latest", "fail"] as const) {
  kafkaTest(
    `goes on where it is when the log has that offset after all (${outOfRange})`,
    async ({ cluster, reader }) => {
      const [log] = cluster.createTopic("events", 1);
      log.values(numbers(0, 5));
      const one = await reader({ outOfRange }, { autoCommit: true });
      await one.until("everything", () => one.values.length === 5);
      let faults = 2;
      cluster.fault = ({ apiKey }) =>
        apiKey === ApiKey.Fetch && faults-- > 0 ? ErrorCode.OFFSET_OUT_OF_RANGE : undefined;
      log.values(numbers(5, 10));
      await one.until("the rest", () => one.values.length >= 10);
      assertEquals(one.values, numbers(0, 10));
      assertEquals(one.turns, ["assigned events/0 from 0"]);
      assertEquals(one.logs.filter(({ level }) => level === "error"), []);
    },
  );
}

kafkaTest(
  "a partition that begins again isn't taken back when the group takes it away",
  async ({ cluster, reader }) => {
    cluster.createTopic("events", 2).forEach((log) => log.values(numbers(0, 3)));
    cluster.group("readers").offsets.set("events/1", { offset: 100n, metadata: null });
    const gate = Promise.withResolvers<void>();
    const one = await reader({}, { beforeRevoked: () => gate.promise });
    await one.until("to begin again", () => one.turns.includes("revoking events/1"));
    const two = await reader();
    const revoked = () => one.turns.filter((turn) => turn === "revoking events/1").length === 2;
    await one.until("asked to let go by the group too", revoked);
    gate.resolve();
    await two.until("its share", () => two.values.length === 3);
    assertEquals(one.turns.filter((turn) => turn.startsWith("assigned events/1")), ["assigned events/1 from 100"]);
    assertEquals(one.turns.filter((turn) => turn === "revoking events/1").length, 2);
  },
);

kafkaTest("stops at an offset out of range when it is told to", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  for (let i = 0; i < 10; i++) log.values([String(i)]);
  cluster.group("readers").offsets.set("events/0", { offset: 2n, metadata: null });
  log.deleteBefore(6);
  const one = await reader({ outOfRange: "fail" });
  const error = await one.failed();
  assertInstanceOf(error, FatalError);
  assertStringIncludes(error.message, "the log of events/0 has offsets 6 to 10, we are at 2");
});

for (
  const [apiKey, code, text] of [
    [ApiKey.JoinGroup, ErrorCode.GROUP_AUTHORIZATION_FAILED, "Not allowed to use consumer group readers"],
    [ApiKey.JoinGroup, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, "kafka.partition.assignment.strategy"],
    [ApiKey.JoinGroup, ErrorCode.INVALID_SESSION_TIMEOUT, "kafka.session.timeout.ms"],
    [ApiKey.JoinGroup, ErrorCode.FENCED_INSTANCE_ID, "kafka.group.instance.id"],
    [ApiKey.FindCoordinator, ErrorCode.INVALID_GROUP_ID, "kafka.group.id"],
    [ApiKey.Fetch, ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Not allowed to read topic events"],
    [ApiKey.OffsetFetch, ErrorCode.GROUP_AUTHORIZATION_FAILED, "Not allowed to use consumer group readers"],
    [ApiKey.Heartbeat, ErrorCode.FENCED_INSTANCE_ID, "kafka.group.instance.id"],
  ] as const
) {
  kafkaTest(`ends with a clear error: ${code} of api ${apiKey}`, async ({ cluster, reader }) => {
    cluster.createTopic("events", 1)[0].values(numbers(0, 3));
    cluster.fault = (request) => request.apiKey === apiKey ? code : undefined;
    const one = await reader();
    const error = await one.failed();
    assertInstanceOf(error, FatalError);
    assertStringIncludes(error.message, text);
  });
}

kafkaTest(
  "logs in with PLAIN, and ends with a clear error when that is refused",
  async ({ cluster, create, reader }) => {
    cluster.createTopic("events", 1)[0].values(numbers(0, 3));
    const login = { securityProtocol: "SASL_PLAINTEXT", saslMechanism: "PLAIN", saslUsername: "alice" } as const;
    const one = await reader({ ...login, saslPassword: "wonderland" });
    await one.until("everything", () => one.values.length === 3);
    const error = await create({ ...login, saslPassword: "looking-glass" }).start().then(
      () => undefined,
      (error) => error,
    );
    assertInstanceOf(error, FatalError);
    assertStringIncludes(error.message, "refused the login");
    assertEquals(error.message.includes("looking-glass"), false);
  },
  { users: { alice: "wonderland" } },
);

for (const fault of ["hang up", "silence"] as const) {
  kafkaTest(`a login that the broker doesn't answer (${fault}) is tried again`, async ({ cluster, reader }) => {
    cluster.createTopic("events", 1)[0].values(numbers(0, 3));
    let faults = 2;
    cluster.fault = ({ apiKey }) => apiKey === ApiKey.SaslAuthenticate && faults-- > 0 ? fault : undefined;
    const login = { securityProtocol: "SASL_PLAINTEXT", saslMechanism: "PLAIN", saslUsername: "alice" } as const;
    const one = await reader({ ...login, saslPassword: "wonderland", requestTimeoutMs: 300 });
    await one.until("everything", () => one.values.length === 3);
  }, { users: { alice: "wonderland" } });
}

kafkaTest("says which transaction holds a partition back", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  log.values(["a"]);
  log.write({ records: [recordOf("open")], attributes: 16, producerId: 7n });
  log.values(["b", "c"]);
  const one = await reader();
  const held = () => one.logs.find(({ message }) => message.startsWith("an open transaction holds the partition back"));
  await one.until("the warning", () => held() !== undefined);
  assertEquals([one.values, held()!.fields], [["a"], { split: "events/0", offset: 1, records: 3 }]);
  log.endTransaction(7n, false);
  await one.until("the rest", () => one.values.length === 3);
});

kafkaTest("a group that begins at the end says how much it leaves out", async ({ cluster, reader }) => {
  const logs = cluster.createTopic("events", 2);
  for (const log of logs) log.values(numbers(0, 3));
  const one = await reader({ offset: "latest" });
  await one.until("both are assigned", () => one.owned.size === 2);
  const [warning] = one.logs.filter(({ level }) => level === "warn");
  assertStringIncludes(warning.message, "what is there already is left out");
  assertEquals([warning.fields.partitions, warning.fields.records], [2, 6]);
});

kafkaTest("leaves out aborted transactions and control records, and moves past them", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  const transactional = (producerId: bigint, ...values: string[]) =>
    log.write({ records: values.map((value) => recordOf(value)), attributes: 16, producerId });
  transactional(7n, "a", "b");
  transactional(8n, "x");
  log.values(["plain"]);
  log.endTransaction(7n, true);
  transactional(8n, "y");
  log.endTransaction(8n, false);
  transactional(8n, "c");
  log.endTransaction(8n, true);
  transactional(9n, "open");
  const one = await reader({}, { autoCommit: true });
  await one.until("the committed ones", () => one.values.length === 4);
  assertEquals(one.values, ["a", "b", "plain", "c"]);
  await one.until("past the control records", () => one.batches.at(-1)?.next === "9");
  assertEquals(one.metrics.total("kafka_aborted_records_total"), 2);
  const all = await reader({ groupId: "others", isolationLevel: "read_uncommitted" });
  await all.until("everything", () => all.values.length === 7);
  assertEquals(all.values, ["a", "b", "x", "plain", "y", "c", "open"]);
});

kafkaTest(
  "counts tombstones and delivers them empty; keys and headers when they are wanted",
  async ({ cluster, reader }) => {
    const [log] = cluster.createTopic("events", 1);
    const text = (value: string) => new TextEncoder().encode(value);
    log.write({
      records: [
        recordOf("one", { key: text("k1"), headers: [{ key: "a", value: text('b"') }, { key: "n", value: null }] }),
        recordOf(null, { key: text("k2"), headers: [{ key: "raw", value: Uint8Array.of(0xff) }] }),
        recordOf("", { timestamp: 1_600_000_000_007 }),
      ],
    });
    const one = await reader({}, { wants: { keys: true, headers: true } });
    await one.until("everything", () => one.values.length === 3);
    assertEquals(one.values, ["one", "", ""]);
    assertEquals(one.metrics.total("kafka_tombstones_total"), 1);
    const [{ keys, headers, timestamps, positions }] = one.batches;
    const strings = (column: typeof keys) =>
      Array.from(
        { length: 3 },
        (_, row) => (column!.nulls?.[0] ?? 0) >> row & 1 ? null : textAt(column!, row),
      );
    assertEquals(strings(keys), ["k1", "k2", null]);
    assertEquals(strings(headers), ['{"a":"b\\"","n":null}', '{"raw":{"base64":"/w=="}}', null]);
    assertEquals([...timestamps], [1_600_000_000_000, 1_600_000_000_000, 1_600_000_000_007]);
    assertEquals([...positions as BigInt64Array], [0n, 1n, 2n]);
  },
);

kafkaTest("fetches a damaged batch again, and stops when it stays damaged", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  log.values(["good"]);
  log.values(["bad"]);
  log.batches[1].bytes[70] ^= 1;
  const one = await reader();
  const error = await one.failed();
  assertEquals(one.values, ["good"]);
  assertInstanceOf(error, FatalError);
  assertStringIncludes(error.message, "Partition events/0 can't be read on: the record batch at offset 1");
  assertEquals(one.logs.filter(({ level }) => level === "warn").length, 1);
});

for (const offset of [0, 3, 2 ** 40]) {
  kafkaTest(`stops at a batch that says it begins at ${offset}, and commits nothing behind it`, async (
    { cluster, reader },
  ) => {
    const [log] = cluster.createTopic("events", 1);
    for (const value of ["good", "misplaced", "lost", "behind"]) log.values([value]);
    new DataView(log.batches[1].bytes.buffer).setBigInt64(0, BigInt(offset));
    const one = await reader({}, { autoCommit: true });
    const error = await one.failed();
    assertInstanceOf(error, FatalError);
    assertStringIncludes(error.message, "Partition events/0 can't be read on: the record batch at offset");
    assertEquals(one.values.filter((value) => value !== "good"), []);
    assertLessOrEqual(cluster.group("readers").offsets.get("events/0")!.offset, 1n);
  });
}

kafkaTest("reads on when the partition grows while the broker answers", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  log.values(["first"]);
  const one = await reader();
  await one.until("the first", () => one.values.length === 1);
  cluster.endsBehind = 2; // brokers name the end from before they read
  log.values(["a"]);
  log.values(["b"]);
  await one.until("the rest", () => one.values.length === 3);
  assertEquals(one.logs.filter(({ level }) => level === "warn"), []);
});

kafkaTest("stops at a batch that says it has no length, instead of asking for it for ever", async (
  { cluster, reader },
) => {
  const [log] = cluster.createTopic("events", 1);
  log.values(["good"]);
  log.values(["bad"]);
  new DataView(log.batches[1].bytes.buffer).setInt32(8, 0);
  const one = await reader();
  const error = await one.failed();
  assertEquals(one.values, ["good"]);
  assertInstanceOf(error, FatalError);
  assertStringIncludes(error.message, "Partition events/0 can't be read on: the record batch at offset 1");
});

kafkaTest(
  "an answer that was on its way while a batch turned out damaged leaves nothing out",
  async ({ cluster, create }) => {
    const [log] = cluster.createTopic("events", 1);
    for (let i = 0; i < 3; i++) log.values([String(i)]);
    log.batches[1].bytes[65] ^= 1;
    const one = create({ fetchMaxWaitMs: 5000 });
    await one.start();
    // The next fetch waits at the end of the log when the damage is seen.
    await one.until(
      "the damage",
      () => one.logs.some(({ message }) => message.startsWith("record batch can't be read")),
    );
    log.batches[1].bytes[65] ^= 1;
    log.values(["3"]);
    await one.until("everything", () => one.values.includes("3"));
    assertEquals(one.values, numbers(0, 4));
  },
);

kafkaTest(
  "reads 200 partitions with batches larger than the limits, in bounded memory",
  async ({ cluster, reader }) => {
    const logs = cluster.createTopic("events", 200);
    const big = "x".repeat(300_000);
    logs.forEach((log, i) => log.values([`${i} ${big}`]));
    const one = await reader({
      partitionMaxByteLength: 10_000,
      fetchMaxByteLength: 400_000,
      prefetchMaxByteLength: 1_000_000,
    }, { maxBytes: 64 << 10 });
    await one.until("everything", () => one.values.length === 200);
    assertEquals(sorted(one.values.map((value) => value.split(" ")[0])), numbers(0, 200));
    assertLess(cluster.largestAnswer, 400_000 + 300_100);
  },
);

kafkaTest("waits for as long as a broker asks it to, and goes on heartbeating", async ({ cluster, reader }) => {
  const [log] = cluster.createTopic("events", 1);
  log.values(numbers(0, 5));
  const times: number[] = [];
  cluster.fetchThrottleMs = 700;
  cluster.fault = ({ apiKey }) => void (apiKey === ApiKey.Fetch && times.push(performance.now()));
  const one = await reader({ sessionTimeoutMs: 900 });
  await one.until("everything", () => one.values.length === 5);
  log.values(numbers(5, 10));
  await until("some fetches", () => times.length === 4);
  for (let i = 1; i < times.length; i++) assertGreater(times[i] - times[i - 1], 650);
  await one.until("the rest", () => one.values.length === 10);
  assertEquals(one.turns, ["assigned events/0 from 0"]);
});

kafkaTest("stops fetching when nobody takes over, and goes on heartbeating", async ({ cluster, create }) => {
  const logs = cluster.createTopic("events", 4);
  for (const log of logs) for (let i = 0; i < 200; i++) log.values(["x".repeat(1000)]);
  const one = create({ prefetchMaxByteLength: 100_000, partitionMaxByteLength: 20_000, sessionTimeoutMs: 900 });
  await one.source.open(one, new AbortController().signal);
  await one.until("assigned", () => one.owned.size === 4);
  const count = (key: number) => cluster.requests.filter(({ apiKey }) => apiKey === key).length;
  while (count(ApiKey.Heartbeat) < 6) await new Promise((resolve) => setTimeout(resolve, 20));
  assertLess(count(ApiKey.Fetch), 12);
  assertEquals(cluster.group("readers").members.size, 1);
});

kafkaTest("a static member that comes back in time moves no partitions", async ({ cluster, reader }) => {
  cluster.createTopic("events", 2).forEach((log) => log.values(["x"]));
  const one = await reader({ groupInstanceId: "one" });
  const two = await reader({ groupInstanceId: "two" });
  await two.until("its share", () => two.owned.size === 1);
  await one.until("its share", () => one.owned.size === 1);
  const mine = [...one.owned.keys()], turns = two.turns.length;
  await one.close();
  const again = await reader({ groupInstanceId: "one" });
  await again.until("its share", () => again.owned.size === 1);
  assertEquals([...again.owned.keys()], mine);
  assertEquals(two.turns.length, turns);
});

kafkaTest("reads what kafkajs' producer wrote, compressed too", async ({ cluster, reader }) => {
  const { Kafka, logLevel, CompressionTypes } = await import("../support/kafkajs.ts");
  const [log] = cluster.createTopic("events", 1);
  const producer = new Kafka({ brokers: cluster.nodes, logLevel: logLevel.NOTHING })
    .producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic: "events", messages: numbers(0, 50).map((value) => ({ value })) });
  await producer.send({
    topic: "events",
    messages: numbers(50, 100).map((value) => ({ value })),
    compression: CompressionTypes.GZIP,
  });
  await producer.disconnect();
  log.values(numbers(100, 150), { compression: { codec: 1, compress: (bytes) => gzipSync(bytes) } });
  const one = await reader();
  await one.until("everything", () => one.values.length === 150);
  assertEquals(one.values, numbers(0, 150));
});
