/**
 * The collector against a real Apache Kafka: `deno task test:kafka`. Every test counts every record. Needs Java 17 and
 * Maven (or KAFKA_JARS); says so when they are missing, and fails.
 */
import { join } from "node:path";
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  type Producer,
  ResourcePatternTypes,
} from "../support/kafkajs.ts";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { KafkaCluster, USER } from "./cluster.ts";
import { rangeCases } from "./range_cases.ts";
import { replayCases } from "./replay_cases.ts";
import { countRows, event, mistakes } from "./rows.ts";

const cluster = await KafkaCluster.start();
const kafka = new Kafka({ brokers: cluster.nodes().split(","), logLevel: logLevel.NOTHING });
const producer = kafka.producer({ createPartitioner: () => ({ message }) => Number(message.key) });
await producer.connect();

const work = await Deno.makeTempDir({ prefix: "kafka-suite-" });
let names = 0;

/** A topic of its own, and a place for what comes out. */
async function workplace(partitions: number): Promise<{ topic: string; out: string }> {
  const topic = `events-${++names}`;
  await cluster.createTopic(topic, partitions);
  return { topic, out: join(work, topic) };
}

function collector(topic: string, out: string, extra: Readonly<Record<string, string>> = {}): CollectorProcess {
  const config = {
    "stream.source": "kafka",
    "target": "file",
    "target.file.directory": out,
    "kafka.nodes": cluster.nodes(),
    "kafka.topic": topic,
    "kafka.group.id": `group-${topic}`,
    "kafka.offset": "earliest",
    "kafka.session.timeout.ms": "6000",
    "source.data-format": "JSON",
    "source.data-format.json.layout": "RAKAM",
    "stream.max-flush-duration": "300ms",
    "middleware.max-flush-duration": "700ms",
    ...extra,
  };
  return new CollectorProcess(["run", ...settings(config)], { cwd: work });
}

/** Waits until the condition holds. */
async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Produces numbered events all the while, spread over the partitions. */
class Load {
  produced = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(topic: string, partitions: number, perSend = 50) {
    this.#done = this.#run(topic, partitions, perSend);
  }

  async #run(topic: string, partitions: number, perSend: number): Promise<void> {
    while (!this.#stopped) {
      const messages = Array.from({ length: perSend }, (_, i) => {
        const id = this.produced + i;
        return { key: String(id % partitions), value: event(id) };
      });
      await producer.send({ topic, messages, acks: -1 });
      this.produced += perSend;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.produced;
  }
}

async function produce(to: Producer, topic: string, from: number, to_: number, partitions: number): Promise<void> {
  const messages = Array.from({ length: to_ - from }, (_, i) => ({
    key: String((from + i) % partitions),
    value: event(from + i),
  }));
  await to.send({ topic, messages, acks: -1 });
}

function allThere(out: string, total: number) {
  return async () => (await countRows(out)).seen.size >= total;
}

async function stopAll(collectors: readonly CollectorProcess[]): Promise<void> {
  for (const one of collectors) one.kill("SIGTERM");
  for (const one of collectors) {
    const { code, stderr } = await one.end();
    assertEquals(code, 0, stderr);
  }
}

function kafkaTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

for (
  const [name, extra] of [
    ["range", () => ({})],
    ["cooperative-sticky", () => ({ "kafka.partition.assignment.strategy": "cooperative-sticky" })],
    ["static members", (i: number) => ({ "kafka.group.instance.id": `collector-${i}` })],
  ] as const
) {
  kafkaTest(`three collectors (${name}): a rolling restart under load gives every record once`, async () => {
    const { topic, out } = await workplace(12);
    const collectors = [collector(topic, out, extra(0))];
    await collectors[0].logs("split assigned");
    const load = new Load(topic, 12);
    collectors.push(collector(topic, out, extra(1)), collector(topic, out, extra(2)));
    for (const one of collectors) await one.logs("split assigned");
    await until("rows come out", allThere(out, 500));
    for (let i = 0; i < collectors.length; i++) {
      collectors[i].kill("SIGTERM");
      const { code, stderr } = await collectors[i].end();
      assertEquals(code, 0, stderr);
      collectors[i] = collector(topic, out, extra(i));
      await collectors[i].logs("split assigned");
      const producedSoFar = load.produced;
      await until("rows come out after a restart", allThere(out, producedSoFar));
    }
    const total = await load.stop();
    await until("everything is out", allThere(out, total));
    await stopAll(collectors);
    assertEquals(mistakes(await countRows(out), total), { missing: [], twice: [], unknown: [] });
    assertGreater(total, 1000);
  });
}

kafkaTest("a collector killed at once loses nothing", async () => {
  const { topic, out } = await workplace(6);
  const collectors = [collector(topic, out), collector(topic, out), collector(topic, out)];
  for (const one of collectors) await one.logs("split assigned");
  const load = new Load(topic, 6);
  await until("rows come out", allThere(out, 500));
  collectors[1].kill("SIGKILL");
  await collectors[1].end();
  collectors[1] = collector(topic, out);
  await collectors[1].logs("split assigned");
  const total = await load.stop();
  await until("everything is out", allThere(out, total));
  await stopAll(collectors);
  const { missing, unknown } = mistakes(await countRows(out), total);
  assertEquals({ missing, unknown }, { missing: [], unknown: [] });
});

kafkaTest("every codec of the Java producer is read", async () => {
  const { topic, out } = await workplace(1);
  let total = 0;
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    const lines = Array.from({ length: 500 }, () => event(total++, 300)).join("\n");
    await cluster.tool("org.apache.kafka.tools.ConsoleProducer", [
      ...["--bootstrap-server", cluster.nodes(), "--topic", topic, "--compression-codec", codec],
    ], `${lines}\n`);
  }
  await using one = collector(topic, out);
  await until("everything is out", allThere(out, total));
  await stopAll([one]);
  assertEquals(mistakes(await countRows(out), total), { missing: [], twice: [], unknown: [] });
});

kafkaTest("records of aborted transactions are left out", async () => {
  const { topic, out } = await workplace(2);
  const transactional = kafka.producer({
    transactionalId: `tx-${topic}`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: () => ({ message }) => Number(message.key),
  });
  await transactional.connect();
  let next = 0;
  for (let i = 0; i < 6; i++) {
    const transaction = await transactional.transaction();
    const aborted = i % 2 === 1;
    const messages = Array.from({ length: 100 }, (_, k) => ({
      key: String(k % 2),
      value: event(aborted ? 1_000_000 + i * 100 + k : next++),
    }));
    await transaction.send({ topic, messages });
    if (aborted) await transaction.abort();
    else await transaction.commit();
  }
  await produce(producer, topic, next, next + 50, 2);
  next += 50;
  await using one = collector(topic, out);
  await until("everything is out", allThere(out, next));
  await stopAll([one]);
  assertEquals(mistakes(await countRows(out), next), { missing: [], twice: [], unknown: [] });
  await transactional.disconnect();
});

kafkaTest("the broker goes away and comes back: nothing is lost, nobody has to act", async () => {
  const { topic, out } = await workplace(4);
  await using one = collector(topic, out);
  await one.logs("split assigned");
  await produce(producer, topic, 0, 200, 4);
  await until("rows come out", allThere(out, 200));
  await cluster.brokers[0].stop();
  await one.logs("trying again");
  await cluster.brokers[0].start();
  await until("the broker takes records again", async () => {
    try {
      await produce(producer, topic, 200, 400, 4);
      return true;
    } catch {
      return false;
    }
  });
  await until("everything is out", allThere(out, 400));
  await stopAll([one]);
  const { missing } = mistakes(await countRows(out), 400);
  assertEquals(missing, []);
});

kafkaTest("messages of 10 MB are read in bounded memory", async () => {
  const { topic, out } = await workplace(2);
  for (let i = 0; i < 8; i++) {
    await producer.send({ topic, messages: [{ key: String(i % 2), value: event(i, 10_000_000) }] });
  }
  await using one = collector(topic, out, { "memory.limit": "150MB", "source.max-record-size": "16MB" });
  await until("everything is out", allThere(out, 8));
  await stopAll([one]);
  assertEquals(mistakes(await countRows(out), 8), { missing: [], twice: [], unknown: [] });
});

kafkaTest("shares a group with Java consumers", async () => {
  const { topic, out } = await workplace(4);
  await using one = collector(topic, out);
  await one.logs("split assigned");
  const java = cluster.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", [
    ...["--bootstrap-server", cluster.nodes(), "--topic", topic, "--group", `group-${topic}`, "--timeout-ms", "12000"],
  ]);
  await one.logs("rebalancing");
  await one.logs('"generation":2');
  await produce(producer, topic, 0, 400, 4);
  const text = await java;
  const lines = text.split("\n").filter((line) => line.startsWith("{")).length;
  await until("the rest comes out", async () => lines + (await countRows(out)).rows === 400);
  assertGreater(lines, 0);
  assertGreater((await countRows(out)).rows, 0);
  await stopAll([one]);
});

kafkaTest("skips what was deleted before it was read, and says how much", async () => {
  const { topic, out } = await workplace(1);
  await using first = collector(topic, out);
  await first.logs("split assigned");
  await produce(producer, topic, 0, 100, 1);
  await until("rows come out", allThere(out, 100));
  await stopAll([first]);
  await produce(producer, topic, 100, 300, 1);
  const admin = kafka.admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "250" }] });
  await admin.disconnect();
  await using second = collector(topic, out);
  await second.logs("records expired before they were read");
  await until("the rest comes out", allThere(out, 150));
  await stopAll([second]);
  assert(second.stderr.includes('"skipped":150'), second.stderr);
  assertEquals(mistakes(await countRows(out), 300).missing, Array.from({ length: 150 }, (_, i) => 100 + i));
});

kafkaTest("a topic that is deleted while it is read holds up no other, and makes none twice", async () => {
  const { topic, out } = await workplace(4);
  const gone = `${topic}-gone`;
  await cluster.createTopic(gone, 2);
  await using one = collector(`${topic}|${gone}`, out, {
    "kafka.group.id": `group-${topic}`,
    "kafka.metadata.max-age": "5s",
    "middleware.max-flush-duration": "3s",
  });
  await one.logs("split assigned");
  const load = new Load(topic, 4);
  // A producer asks for all topics that it ever wrote to, and fails once one is gone: so not the one of all tests.
  const sender = kafka.producer({ createPartitioner: () => ({ message }) => Number(message.key) });
  await sender.connect();
  await produce(sender, gone, 1_000_000, 1_000_100, 2);
  await until("rows come out", allThere(out, 500));
  const admin = kafka.admin();
  await admin.connect();
  await produce(sender, gone, 1_000_100, 1_000_200, 2);
  await sender.disconnect();
  await admin.deleteTopics({ topics: [gone] });
  await one.logs("splits lost");
  const total = await load.stop();
  const offsets = async () =>
    (await admin.fetchOffsets({ groupId: `group-${topic}`, topics: [topic] }))[0].partitions
      .reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  await until("everything is committed", async () => await offsets() === total, 20_000);
  await admin.disconnect();
  await stopAll([one]);
  const counted = await countRows(out);
  const { missing, twice } = mistakes(counted, total);
  assertEquals({ missing, twice: twice.filter((id) => id < 1_000_000) }, { missing: [], twice: [] });
});

kafkaTest("brokers restart one by one: leaders and the coordinator move, nothing is lost", async () => {
  await using three = await KafkaCluster.start({ brokers: 3 });
  const client = new Kafka({ brokers: three.nodes().split(","), logLevel: logLevel.NOTHING });
  const sender = client.producer({ createPartitioner: () => ({ message }) => Number(message.key) });
  await sender.connect();
  await three.createTopic("moving", 6);
  const out = join(work, "moving");
  await using one = collector("moving", out, { "kafka.nodes": three.nodes() });
  await one.logs("split assigned");
  let total = 0;
  const send = async () => {
    await until("the cluster takes records", async () => {
      try {
        await produce(sender, "moving", total, total + 60, 6);
        total += 60;
        return true;
      } catch {
        return false;
      }
    });
  };
  await send();
  for (const broker of three.brokers) {
    await broker.stop();
    await send();
    await until(`everything is out without broker ${broker.id}`, allThere(out, total));
    await broker.start();
    await send();
    await until(`everything is out with broker ${broker.id} again`, allThere(out, total));
  }
  await stopAll([one]);
  await sender.disconnect();
  assertEquals(mistakes(await countRows(out), total).missing, []);
});

for (
  const [name, listener, extra] of [
    ["SASL PLAIN", "sasl", { "kafka.security.protocol": "SASL_PLAINTEXT", "kafka.sasl.mechanism": "PLAIN" }],
    ["SASL SCRAM-SHA-256", "sasl", {
      "kafka.security.protocol": "SASL_PLAINTEXT",
      "kafka.sasl.mechanism": "SCRAM-SHA-256",
    }],
    ["SASL SCRAM-SHA-512 over TLS", "saslSsl", {
      "kafka.security.protocol": "SASL_SSL",
      "kafka.sasl.mechanism": "SCRAM-SHA-512",
      "kafka.ssl.ca": join(cluster.directory, "ca.pem"),
    }],
    ["TLS with a client certificate", "ssl", {
      "kafka.security.protocol": "SSL",
      "kafka.ssl.ca": join(cluster.directory, "ca.pem"),
      "kafka.ssl.certificate": join(cluster.directory, "client.pem"),
      "kafka.ssl.key": join(cluster.directory, "client.key"),
    }],
    ["TLS with an encrypted client key and a server name", "ssl", {
      "kafka.security.protocol": "SSL",
      "kafka.ssl.ca": join(cluster.directory, "ca.pem"),
      "kafka.ssl.certificate": join(cluster.directory, "client.pem"),
      "kafka.ssl.key": join(cluster.directory, "client-encrypted.key"),
      "kafka.ssl.key.password": USER.password,
      "kafka.ssl.server.name": "localhost",
    }],
  ] as const
) {
  kafkaTest(`reads over ${name}`, async () => {
    const { topic, out } = await workplace(2);
    await produce(producer, topic, 0, 100, 2);
    await using one = collector(topic, out, {
      "kafka.nodes": cluster.nodes(listener),
      ...(listener !== "ssl" && { "kafka.sasl.username": USER.name, "kafka.sasl.password": USER.password }),
      ...extra,
    });
    await until("everything is out", allThere(out, 100));
    await stopAll([one]);
    assertEquals(mistakes(await countRows(out), 100), { missing: [], twice: [], unknown: [] });
  });
}

kafkaTest("records of other days go to the historical topic, and a historical worker reads them there", async () => {
  const { topic, out } = await workplace(2);
  const late = `${topic}-late`;
  await cluster.createTopic(late, 2);
  const messages = Array.from({ length: 200 }, (_, id) => {
    const _time = id % 4 === 0 ? 1_600_000_000_000 + id : Date.now();
    const value = JSON.stringify({ project: "shop", collection: "orders", properties: { id, _time } });
    return { key: String(id % 2), value, headers: { id: String(id) } };
  });
  await producer.send({ topic, messages, acks: -1 });
  const historical = { "kafka.historical-data-topic": late };
  await using one = collector(topic, out, historical);
  await until("today's are out", allThere(out, 150));
  await stopAll([one]);
  assertEquals((await countRows(out)).rows, 150);
  // Read by Kafka's own consumer: what we produced is what it expects.
  const text = await cluster.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", [
    ...["--bootstrap-server", cluster.nodes(), "--topic", late, "--from-beginning", "--timeout-ms", "5000"],
    ...["--property", "print.key=true", "--property", "print.headers=true"],
  ]);
  const lines = text.split("\n").filter((line) => line.startsWith("id:"));
  assertEquals(lines.length, 50);
  for (const line of lines) {
    const [header, key, value] = line.split("\t");
    const { id } = (JSON.parse(value) as { properties: { id: number } }).properties;
    assertEquals([header, key], [`id:${id}`, String(id % 2)]);
  }
  await using worker = collector(topic, out, {
    ...historical,
    "historical.worker": "true",
    "historical.max-flush-records": "50",
  });
  await until("everything is out", allThere(out, 200));
  await stopAll([worker]);
  assertEquals(mistakes(await countRows(out), 200), { missing: [], twice: [], unknown: [] });
});

rangeCases({
  cluster,
  kafka,
  producer,
  kafkaTest,
  until,
  newTopic: async (partitions) => (await workplace(partitions)).topic,
});

replayCases({
  cluster,
  kafka,
  work,
  kafkaTest,
  newTopic: async (partitions) => (await workplace(partitions)).topic,
  produce: async (topic, from, to, partitions) => {
    for (let at = from; at < to; at += 1000) await produce(producer, topic, at, Math.min(to, at + 1000), partitions);
  },
  load: (topic, partitions) => new Load(topic, partitions),
  collector,
  until,
});

/** A bearer token that isn't signed. */
function unsignedToken(): string {
  const encode = (value: object) =>
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const nowSeconds = Math.floor(Date.now() / 1000);
  return `${encode({ alg: "none" })}.${encode({ sub: "collector", iat: nowSeconds, exp: nowSeconds + 600 })}.`;
}

kafkaTest("reads over SASL OAUTHBEARER, with tokens from a file and from an endpoint", async () => {
  const { topic, out } = await workplace(2);
  await produce(producer, topic, 0, 100, 2);
  const login = {
    "kafka.nodes": cluster.nodes("sasl"),
    "kafka.security.protocol": "SASL_PLAINTEXT",
    "kafka.sasl.mechanism": "OAUTHBEARER",
  };
  const tokenFile = join(work, "token");
  await Deno.writeTextFile(tokenFile, `${unsignedToken()}\n`);
  await using one = collector(topic, out, { ...login, "kafka.sasl.oauthbearer.token.file": tokenFile });
  await until("everything is out", allThere(out, 100));
  await stopAll([one]);
  await produce(producer, topic, 100, 200, 2);
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    asked.push(`${request.headers.get("authorization")} ${await request.text()}`);
    return Response.json({ access_token: unsignedToken(), expires_in: 300 });
  });
  await using two = collector(topic, out, {
    ...login,
    "kafka.sasl.oauthbearer.token.endpoint.url": `http://127.0.0.1:${server.addr.port}/token`,
    "kafka.sasl.oauthbearer.client.id": "me",
    "kafka.sasl.oauthbearer.client.secret": "a secret",
    "kafka.sasl.oauthbearer.scope": "kafka",
  });
  await until("everything is out", allThere(out, 200));
  await stopAll([two]);
  await server.shutdown();
  assertEquals(new Set(asked), new Set([`Basic ${btoa("me:a%20secret")} grant_type=client_credentials&scope=kafka`]));
  assertEquals(mistakes(await countRows(out), 200), { missing: [], twice: [], unknown: [] });
});

kafkaTest("check names each right that is missing", async () => {
  await using guarded = await KafkaCluster.start({
    properties: {
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "super.users": "User:ANONYMOUS", // of the listener without a login
    },
  });
  await guarded.createTopic("events", 2);
  await guarded.createTopic("late", 1);
  const admin = new Kafka({ brokers: guarded.nodes().split(","), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const allow = (resourceType: AclResourceTypes, resourceName: string, operation: AclOperationTypes) =>
    admin.createAcls({
      acl: [{
        ...{ resourceType, resourceName, operation, principal: `User:${USER.name}`, host: "*" },
        resourcePatternType: ResourcePatternTypes.LITERAL,
        permissionType: AclPermissionTypes.ALLOW,
      }],
    });
  const { TOPIC, GROUP } = AclResourceTypes, { DESCRIBE, READ, WRITE } = AclOperationTypes;
  const failures = async () => {
    const { stdout } = await runCollector([
      "check",
      "--json",
      ...settings({
        "stream.source": "kafka",
        "target": "file",
        "target.file.directory": join(work, "guarded"),
        "kafka.nodes": guarded.nodes("sasl"),
        "kafka.topic": "events",
        "kafka.group.id": "readers",
        "kafka.historical-data-topic": "late",
        "kafka.security.protocol": "SASL_PLAINTEXT",
        "kafka.sasl.username": USER.name,
        "kafka.sasl.password": USER.password,
      }),
    ], { cwd: work });
    const { checks } = JSON.parse(stdout) as { checks: { ok: boolean; what: string }[] };
    return checks.filter(({ ok }) => !ok).map(({ what }) => what);
  };
  await allow(TOPIC, "events", DESCRIBE);
  await allow(TOPIC, "late", DESCRIBE);
  await allow(GROUP, "readers", DESCRIBE);
  const missing = ["topic events may be read", "group readers may be used", "historical topic late may be written"];
  await until("each is named", async () => (await failures()).sort().join() === missing.sort().join());
  await allow(TOPIC, "events", READ);
  await allow(TOPIC, "late", WRITE);
  await allow(GROUP, "readers", READ);
  await until("nothing is missing", async () => (await failures()).length === 0);
  assertEquals((await admin.fetchTopicOffsets("late")).map(({ high }) => high), ["0"]);
  await admin.disconnect();
});

kafkaTest("a wrong password ends it with a clear error, and is not shown", async () => {
  const { topic, out } = await workplace(1);
  await using one = collector(topic, out, {
    "kafka.nodes": cluster.nodes("sasl"),
    "kafka.security.protocol": "SASL_PLAINTEXT",
    "kafka.sasl.mechanism": "SCRAM-SHA-256",
    "kafka.sasl.username": USER.name,
    "kafka.sasl.password": "not-the-password",
  });
  const { code, stderr } = await one.end();
  assertEquals(code, 1);
  assert(stderr.includes("refused the login"), stderr);
  assert(!stderr.includes("not-the-password"), stderr);
});

Deno.test({
  name: "the cluster is stopped",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await producer.disconnect();
    await cluster[Symbol.asyncDispose]();
    await Deno.remove(work, { recursive: true });
  },
});
