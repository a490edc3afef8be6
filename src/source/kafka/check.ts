/** What `collector check` tries of a cluster: each broker, the topics, the rights, the group and how far it is. */
import { messageOf } from "../../runtime/errors.ts";
import { withAbort } from "../../runtime/abort.ts";
import { retry, type RetryPolicy } from "../../runtime/retry.ts";
import type { CheckResult } from "../../runtime/check_result.ts";
import type { SourceContext } from "../source.ts";
import type { KafkaClient } from "./network/client.ts";
import { connectKafka, parseNode } from "./network/connect.ts";
import { BrokerConnection, type HostPort } from "./network/connection.ts";
import { Coordinator } from "./group/coordinator.ts";
import type { KafkaConfig } from "./options.ts";
import { splitOf } from "./fetch/partition.ts";
import { ErrorCode, errorName } from "./protocol/errors.ts";
import { fetchRequest, READ_COMMITTED, READ_UNCOMMITTED } from "./protocol/fetch.ts";
import { heartbeatRequest } from "./protocol/group.ts";
import { type ClusterMetadata, metadataRequest, type TopicMetadata, WRITE_RIGHT } from "./protocol/metadata.ts";
import { saslSettings } from "./network/sasl.ts";
import { committedOffsets, listOffsets } from "./group/starts.ts";
import { tlsOptions } from "./network/tls.ts";
import { isolationOf } from "./fetch/fetch_settings.ts";
import { TopicWatch } from "./fetch/topic_watch.ts";
import { selectionOf } from "./historical.ts";
import { selectTopics } from "./fetch/topics.ts";

/** A cluster that has just started makes its coordinators on the first question. */
const RETRY: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 1000, maxAttempts: 5 };

/** Longer than this nobody waits who only looks; all of the check has 30 seconds. */
const MAX_TIMEOUT_MS = 8000;

/** `why` goes with what went wrong. */
async function checkBroker(
  { host, port }: HostPort,
  config: KafkaConfig,
  { runtime }: SourceContext,
  why = "",
): Promise<CheckResult> {
  const what = `broker ${host}:${port} answers`;
  try {
    const settings = {
      clientId: config.clientId,
      connectionTimeoutMs: config.connectionTimeoutMs,
      requestTimeoutMs: config.requestTimeoutMs,
      tls: () => tlsOptions(config, runtime),
      sasl: saslSettings(config, runtime),
    };
    const connection = await BrokerConnection.open({ host, port }, settings, runtime);
    try {
      const { brokers } = await connection.send(metadataRequest([]));
      const names = brokers.map(({ host, port }) => `${host}:${port}`).join(", ");
      return { ok: true, what, detail: `${config.securityProtocol}, the cluster is ${names}` };
    } finally {
      connection.close();
    }
  } catch (error) {
    return { ok: false, what, detail: `${messageOf(error)}${why}` };
  }
}

/** Those of the cluster that the config doesn't name: records come from all of them. */
async function checkOthers(
  { brokers }: ClusterMetadata,
  config: KafkaConfig,
  context: SourceContext,
): Promise<CheckResult[]> {
  const named = new Set(config.nodes.map((node) => textOfAddress(parseNode(node))));
  const others = brokers.filter((broker) => !named.has(textOfAddress(broker)));
  const why = " (the cluster gives this address to its clients: advertised.listeners)";
  const results = await Promise.all(others.map((broker) => checkBroker(broker, config, context, why)));
  return results.filter(({ ok }) => !ok);
}

function textOfAddress({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

function describeTopics(
  metadata: ClusterMetadata,
  config: KafkaConfig,
): { found: TopicMetadata[]; results: CheckResult[] } {
  const selection = selectionOf(config);
  const theirs = metadata.topics.filter(({ internal }) => selection.kind === "names" || !internal);
  const names = selectTopics(selection, theirs.map(({ topic }) => topic));
  const results: CheckResult[] = [], found: TopicMetadata[] = [];
  if (names.length === 0) {
    results.push({ ok: false, what: `topics match ${config.topic}`, detail: "none of those that we may see does" });
  }
  for (const name of names) {
    const topic = metadata.topics.find((one) => one.topic === name), what = `topic ${name} exists`;
    if (topic === undefined || topic.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      results.push({
        ok: false,
        what,
        detail: "it doesn't, or its DESCRIBE right is missing: create it or correct kafka.topic",
      });
    } else if (topic.errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) {
      results.push({ ok: false, what, detail: "its DESCRIBE right is missing" });
    } else if (topic.errorCode !== ErrorCode.NONE) {
      results.push({ ok: false, what, detail: errorName(topic.errorCode) });
    } else {
      found.push(topic);
      const leaderless = topic.partitions.filter(({ leader }) => leader < 0).map(({ partition }) => partition);
      const detail = `${topic.partitions.length} partitions`;
      if (leaderless.length === 0) results.push({ ok: true, what, detail });
      else results.push({ ok: false, what, detail: `${detail}, without a leader: ${leaderless.join(", ")}` });
    }
  }
  return { found, results };
}

/** Asks for records at the end, where there are none: the broker looks at the right first. */
async function checkRead(
  client: KafkaClient,
  topic: TopicMetadata,
  ends: ReadonlyMap<string, bigint>,
  signal: AbortSignal,
): Promise<CheckResult> {
  const what = `topic ${topic.topic} may be read`;
  const one = topic.partitions.find(({ leader }) => leader >= 0);
  if (one === undefined) return { ok: false, what, detail: "no partition has a leader" };
  const partition = { topic: topic.topic, partition: one.partition };
  const request = fetchRequest([{ ...partition, offset: ends.get(splitOf(partition)) ?? 0n, maxByteLength: 1 }], {
    maxWaitMs: 0,
    minByteLength: 0,
    maxByteLength: 1,
    isolation: READ_UNCOMMITTED,
    rack: "",
  });
  const { partitions: [answer] } = await client.send(one.leader, "fetch", request, { signal });
  if (answer.errorCode === ErrorCode.NONE) return { ok: true, what, detail: `asked for partition ${one.partition}` };
  const missing = answer.errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED;
  return { ok: false, what, detail: missing ? "its READ right is missing" : errorName(answer.errorCode) };
}

/** Where the group is in one topic. */
function describeLag(
  topic: TopicMetadata,
  committed: ReadonlyMap<string, bigint>,
  { starts, ends }: Record<"starts" | "ends", ReadonlyMap<string, bigint>>,
  config: KafkaConfig,
): CheckResult {
  let lag = 0n, without = 0, unread = 0n;
  for (const { partition } of topic.partitions) {
    const split = splitOf({ topic: topic.topic, partition });
    const offset = committed.get(split), end = ends.get(split);
    if (offset === undefined) {
      without++;
      unread += (end ?? 0n) - (starts.get(split) ?? end ?? 0n);
    } else if (end !== undefined && end > offset) lag += end - offset;
  }
  const toRead = config.offset === "earliest" ? `, which makes ${unread} records to read` : "";
  const fresh = without === 0
    ? ""
    : `; ${without} partitions have no committed offset, a new group starts at ${config.offset}${toRead}`;
  return { ok: true, what: `group ${config.groupId} in topic ${topic.topic}`, detail: `${lag} records behind${fresh}` };
}

/** Nothing when no partition is held back. One that is may be read on in a moment: this is no failure. */
function describeTransactions(
  { topic, partitions }: TopicMetadata,
  { stable, ends }: Record<"stable" | "ends", ReadonlyMap<string, bigint>>,
): CheckResult[] {
  return partitions.flatMap(({ partition }) => {
    const split = splitOf({ topic, partition }), offset = stable.get(split), end = ends.get(split);
    if (offset === undefined || end === undefined || offset >= end) return [];
    const detail =
      `nothing from offset ${offset} on can be read until it ends, ${end - offset} offsets wait behind it; ` +
      `if it stays, kafka-transactions.sh find-hanging --topic ${topic} --partition ${partition} shows whose it is, and ` +
      "abort ends it";
    return [{ ok: true, what: `partition ${split} has an open transaction`, detail }];
  });
}

/** A heartbeat of nobody: the broker looks at the right first, and then at who it is. */
async function mayJoin(coordinator: Coordinator, signal: AbortSignal): Promise<boolean> {
  const nobody = { groupId: coordinator.groupId, generation: -1, memberId: "", instanceId: null };
  const { errorCode } = await coordinator.send("heartbeat", heartbeatRequest(nobody), { signal });
  return errorCode !== ErrorCode.GROUP_AUTHORIZATION_FAILED;
}

async function checkHistorical(client: KafkaClient, name: string, signal: AbortSignal): Promise<CheckResult> {
  const { topics: [topic] } = await client.sendToAny(metadataRequest([name], { withRights: true }), { signal });
  const what = `historical topic ${name} may be written`;
  if (topic?.errorCode !== ErrorCode.NONE) {
    return { ok: false, what, detail: "create it, and give us its DESCRIBE and WRITE rights" };
  }
  if (topic.rights !== undefined && (topic.rights & WRITE_RIGHT) === 0) {
    return { ok: false, what, detail: "its WRITE right is missing" };
  }
  return { ok: true, what, detail: `${topic.partitions.length} partitions` };
}

/** Adds what it finds to `results`, also what it found before something failed. */
async function checkCluster(
  client: KafkaClient,
  config: KafkaConfig,
  context: SourceContext,
  { results, signal }: { results: CheckResult[]; signal: AbortSignal },
): Promise<void> {
  const { runtime } = context;
  const selection = selectionOf(config);
  const metadata = await client.metadata(selection.kind === "names" ? selection.names : null, { signal });
  const { found, results: topicResults } = describeTopics(metadata, config);
  results.push(...topicResults, ...await checkOthers(metadata, config, context));
  const { historicalTopic } = config;
  if (historicalTopic !== undefined) {
    results.push(await checkHistorical(client, historicalTopic, signal));
  }
  const coordinator = new Coordinator(client, config.groupId);
  const what = `group ${config.groupId} may be used`;
  let committed = new Map<string, bigint>();
  try {
    const ask = () => committedOffsets(coordinator, null, signal);
    const offsets = await retry("kafka committed offsets", ask, { policy: RETRY, runtime, signal });
    committed = new Map(offsets.map((one) => [splitOf(one), one.offset]));
    const ok = await mayJoin(coordinator, signal);
    const detail = ok ? `coordinator ${coordinator.name}` : "its READ right is missing, there is only DESCRIBE";
    results.push({ ok, what, detail });
  } catch (error) {
    results.push({ ok: false, what, detail: messageOf(error) });
  }
  const topics = new TopicWatch(client, { kind: "names", names: found.map(({ topic }) => topic) }, runtime);
  if (found.length > 0) await topics.refresh(signal);
  const parts = { client, topics, isolation: READ_UNCOMMITTED } as const;
  const checks = found.map(async (topic) => {
    const partitions = topic.partitions.filter(({ leader }) => leader >= 0)
      .map(({ partition }) => ({ topic: topic.topic, partition }));
    try {
      const ends = await listOffsets(parts, partitions, "latest", signal);
      const uncommitted = partitions.filter((one) => !committed.has(splitOf(one)));
      const starts = config.offset === "earliest" && uncommitted.length > 0
        ? await listOffsets(parts, uncommitted, "earliest", signal)
        : new Map();
      const stable = isolationOf(config) === READ_COMMITTED
        ? await listOffsets({ ...parts, isolation: READ_COMMITTED }, partitions, "latest", signal)
        : ends;
      return [
        await checkRead(client, topic, ends, signal),
        describeLag(topic, committed, { starts, ends }, config),
        ...describeTransactions(topic, { stable, ends }),
      ];
    } catch (error) {
      return [{ ok: false, what: `topic ${topic.topic} may be read`, detail: messageOf(error) }];
    }
  });
  results.push(...(await Promise.all(checks)).flat());
}

/** Reads no records and joins no group. */
export async function checkKafka(
  given: KafkaConfig,
  context: SourceContext,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const config = {
    ...given,
    connectionTimeoutMs: Math.min(given.connectionTimeoutMs, MAX_TIMEOUT_MS),
    requestTimeoutMs: Math.min(given.requestTimeoutMs, MAX_TIMEOUT_MS),
  };
  const nodes = [...new Set(config.nodes)].map((node) => checkBroker(parseNode(node), config, context));
  const results = await withAbort(Promise.all(nodes), signal);
  if (!results.some(({ ok }) => ok)) return results;
  const client = connectKafka(config, context.runtime);
  try {
    await checkCluster(client, config, context, { results, signal });
  } catch (error) {
    signal.throwIfAborted();
    results.push({ ok: false, what: "the cluster can be read", detail: messageOf(error) });
  } finally {
    client.close();
  }
  return results;
}
