/**
 * A Kafka cluster in this process, for tests: some brokers on 127.0.0.1, logs in memory, one group coordinator, and
 * faults at will. It speaks just what the source and kafkajs' producer ask for. What it can't be trusted in, the tests
 * against a real Apache Kafka look at.
 */
import { Buffer } from "node:buffer";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { WireReader, WireWriter } from "../../src/source/kafka/protocol/wire.ts";
import { FakeGroup, REAL_TIMERS, type Timers } from "./kafka_group.ts";
import { PartitionLog } from "./kafka_log.ts";

/** What a fault may do to a request: answer with this code wherever codes go, hang up, or (undefined) nothing. */
export type Fault = number | "hang up" | "lose answer" | "silence" | "half an answer" | "another's answer" | undefined;

export interface RequestSeen {
  readonly nodeId: number;
  readonly apiKey: number;
  readonly clientId: string;
}

export interface FakeKafkaOptions {
  readonly brokers?: number;
  /** Passwords of SASL/PLAIN. */
  readonly users?: Readonly<Record<string, string>>;
  /** Nothing listens then: requests come by `handle`. */
  readonly timers?: Timers;
  /** What SASL/OAUTHBEARER takes. */
  readonly tokens?: readonly string[];
  /** How long a login holds (KIP-368); 0 for ever. */
  readonly sessionLifetimeMs?: number;
}

/** The first versions with compact lengths and tagged fields. */
const FLEXIBLE_FROM: Readonly<Record<number, number>> = { [ApiKey.Fetch]: 12, [ApiKey.Metadata]: 9 };

/** Api key: oldest and newest version that is answered. */
const VERSIONS: readonly (readonly [number, number, number])[] = [
  [ApiKey.Produce, 3, 7],
  [ApiKey.Fetch, 4, 13],
  [ApiKey.ListOffsets, 1, 5],
  [ApiKey.Metadata, 4, 10],
  [ApiKey.OffsetCommit, 3, 7],
  [ApiKey.OffsetFetch, 3, 5],
  [ApiKey.FindCoordinator, 1, 2],
  [ApiKey.JoinGroup, 4, 5],
  [ApiKey.Heartbeat, 1, 3],
  [ApiKey.LeaveGroup, 1, 2],
  [ApiKey.SyncGroup, 1, 3],
  [ApiKey.SaslHandshake, 1, 1],
  [ApiKey.ApiVersions, 0, 0],
  [ApiKey.SaslAuthenticate, 0, 1],
];

/** Reads and writes from here on as the version does. */
function speak(apiKey: number, version: number, { reader, writer }: Pick<Call, "reader" | "writer">): void {
  reader.flexible = writer.flexible = version >= (FLEXIBLE_FROM[apiKey] ?? Infinity);
  reader.tags();
  writer.tags();
}

interface Call {
  readonly nodeId: number;
  readonly version: number;
  readonly reader: WireReader;
  readonly writer: WireWriter;
  /** The code that a fault wants, 0 for none. */
  readonly errorCode: number;
}

interface Session {
  authenticated: boolean;
}

class Broker {
  readonly nodeId: number;
  readonly port: number;
  up = true;
  readonly #connections = new Set<Deno.Conn>();
  #listener: Deno.Listener | null = null;
  readonly #listens: boolean;
  readonly #serve: (nodeId: number, connection: Deno.Conn) => Promise<void>;

  constructor(nodeId: number, serve: (nodeId: number, connection: Deno.Conn) => Promise<void>, listens: boolean) {
    this.nodeId = nodeId;
    this.#serve = serve;
    this.#listens = listens;
    this.port = this.#listen(0);
  }

  /** @returns the port. */
  #listen(port: number): number {
    if (!this.#listens) return this.nodeId;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    void this.#accept(this.#listener);
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const connection of listener) {
        this.#connections.add(connection);
        void this.#serve(this.nodeId, connection).catch(() => {}).finally(() => this.#drop(connection));
      }
    } catch {
      // The listener was closed.
    }
  }

  #drop(connection: Deno.Conn): void {
    if (!this.#connections.delete(connection)) return;
    connection.close();
  }

  stop(): void {
    this.up = false;
    this.#listener?.close();
    this.#listener = null;
    for (const connection of [...this.#connections]) this.#drop(connection);
  }

  start(): void {
    if (this.up) return;
    this.up = true;
    this.#listen(this.port);
  }
}

async function readExactly(connection: Deno.Conn, byteLength: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength;) {
    const count = await connection.read(bytes.subarray(at));
    if (count === null) return null;
    at += count;
  }
  return bytes;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

export class FakeKafka {
  readonly brokers: readonly Broker[];
  readonly topics = new Map<string, PartitionLog[]>();
  readonly groups = new Map<string, FakeGroup>();
  readonly requests: RequestSeen[] = [];
  coordinator = 1;
  /** Looks at each request before it is answered. */
  fault: (request: RequestSeen) => Fault = () => undefined;
  /** What answers to fetches ask of us: nothing more on that connection for so long. */
  fetchThrottleMs = 0;
  /** The next answer with records names an end that lies so many records before the real one. */
  endsBehind = 0;
  /** Producers' larger batches are refused. */
  maxBatchByteLength = 1 << 20;

  /** The brokers that metadata names; those that are up when not set. */
  advertised: readonly number[] | undefined;
  /** What everyone may do with the topics, a bit an operation. */
  rights = -1;
  /** The most bytes of record data that any answer had. */
  largestAnswer = 0;
  /** Of all logins to come. */
  login: Pick<FakeKafkaOptions, "users" | "tokens" | "sessionLifetimeMs">;
  /** What the brokers speak at most, where that is older than what they can. */
  newest: Readonly<Record<number, number>> = {};
  readonly #topicIds = new Map<string, string>();
  #topicCount = 0;
  readonly #timers: Timers;
  readonly #stopped = new AbortController();

  constructor({ brokers = 1, timers, ...login }: FakeKafkaOptions = {}) {
    this.login = login;
    this.#timers = timers ?? REAL_TIMERS;
    this.brokers = Array.from(
      { length: brokers },
      (_, i) => new Broker(i + 1, (nodeId, connection) => this.#serve(nodeId, connection), timers === undefined),
    );
  }

  /** For kafka.nodes. */
  get nodes(): string[] {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`);
  }

  createTopic(topic: string, partitionCount: number): PartitionLog[] {
    if (!this.topics.has(topic)) this.#topicIds.set(topic, (++this.#topicCount).toString(16).padStart(32, "0"));
    const logs = this.topics.get(topic) ?? [];
    while (logs.length < partitionCount) logs.push(new PartitionLog(1 + logs.length % this.brokers.length));
    this.topics.set(topic, logs);
    return logs;
  }

  /** With what groups have committed for it, as brokers do. */
  deleteTopic(topic: string): void {
    this.topics.delete(topic);
    for (const group of this.groups.values()) {
      for (const split of group.offsets.keys()) if (split.startsWith(`${topic}/`)) group.offsets.delete(split);
    }
  }

  log(topic: string, partition: number): PartitionLog {
    return this.topics.get(topic)![partition];
  }

  group(groupId: string): FakeGroup {
    let group = this.groups.get(groupId);
    if (group === undefined) this.groups.set(groupId, group = new FakeGroup(this.#timers));
    return group;
  }

  broker(nodeId: number): Broker {
    return this.brokers[nodeId - 1];
  }

  stop(): void {
    this.#stopped.abort();
    for (const broker of this.brokers) broker.stop();
    for (const group of this.groups.values()) group.stop();
  }

  async #serve(nodeId: number, connection: Deno.Conn): Promise<void> {
    const { users, tokens } = this.login;
    const session: Session = { authenticated: users === undefined && tokens === undefined };
    while (true) {
      const size = await readExactly(connection, 4);
      if (size === null) return;
      const payload = await readExactly(connection, new DataView(size.buffer).getInt32(0));
      if (payload === null) return;
      const reader = new WireReader(payload);
      const apiKey = reader.int16(), version = reader.int16(), correlationId = reader.int32();
      const clientId = reader.string();
      const seen = { nodeId, apiKey, clientId };
      this.requests.push(seen);
      const fault = this.fault(seen);
      if (fault === "hang up") return;
      if (fault === "silence") continue;
      const writer = new WireWriter().int32(correlationId);
      speak(apiKey, version, { reader, writer });
      const errorCode = typeof fault === "number" ? fault : 0;
      if (!await this.#answer(apiKey, { nodeId, version, reader, writer, errorCode }, session)) return;
      if (fault === "lose answer") return;
      const { bytes } = writer;
      if (fault === "another's answer") bytes[3] ^= 0x55;
      // In one piece: two would wait for each other (Nagle's algorithm, delayed acknowledgements).
      const framed = new WireWriter(bytes.length + 4).byteString(bytes).bytes;
      if (fault === "half an answer") return await writeAll(connection, framed.subarray(0, framed.length / 2));
      await writeAll(connection, framed);
    }
  }

  /** What the broker answers to the body of a request; null for nothing at all. */
  async handle(seen: RequestSeen, version: number, body: Uint8Array): Promise<Uint8Array | null> {
    this.requests.push(seen);
    const fault = this.fault(seen);
    if (fault === "hang up" || fault === "silence") return null;
    const writer = new WireWriter();
    const errorCode = typeof fault === "number" ? fault : 0;
    const call = { nodeId: seen.nodeId, version, reader: new WireReader(body), writer, errorCode };
    speak(seen.apiKey, version, call);
    const answered = await this.#answer(seen.apiKey, call, { authenticated: true });
    return answered && fault !== "lose answer" ? writer.bytes : null;
  }

  /** @returns false to hang up. */
  async #answer(apiKey: number, call: Call, session: Session): Promise<boolean> {
    switch (apiKey) {
      case ApiKey.ApiVersions:
        call.writer.int16(0).array(VERSIONS, ([key, min, max]) => {
          call.writer.int16(key).int16(min).int16(Math.min(max, this.newest[key] ?? max));
        });
        return true;
      case ApiKey.SaslHandshake:
        call.writer.int16(0).array(["PLAIN", "OAUTHBEARER"], (name) => void call.writer.string(name));
        return true;
      case ApiKey.SaslAuthenticate:
        this.#authenticate(call, session);
        return true;
    }
    if (!session.authenticated) return false;
    switch (apiKey) {
      case ApiKey.Metadata:
        this.#metadata(call);
        return true;
      case ApiKey.FindCoordinator:
        this.#findCoordinator(call);
        return true;
      case ApiKey.ListOffsets:
        this.#listOffsets(call);
        return true;
      case ApiKey.Fetch:
        await this.#fetch(call);
        return true;
      case ApiKey.Produce:
        this.#produce(call);
        return true;
      case ApiKey.JoinGroup:
        await this.#joinGroup(call);
        return true;
      case ApiKey.SyncGroup:
        await this.#syncGroup(call);
        return true;
      case ApiKey.Heartbeat:
      case ApiKey.LeaveGroup:
        this.#membership(apiKey, call);
        return true;
      case ApiKey.OffsetCommit:
        this.#offsetCommit(call);
        return true;
      case ApiKey.OffsetFetch:
        this.#offsetFetch(call);
        return true;
      default:
        return false;
    }
  }

  #authenticate({ reader, writer, version }: Call, session: Session): void {
    const message = new TextDecoder().decode(reader.byteString());
    const { users, tokens, sessionLifetimeMs = 0 } = this.login;
    const [start, bearer] = message.split("\x01auth=Bearer ");
    let challenge: Uint8Array | null = null, text: string | null = null;
    if (bearer === undefined) {
      const [, user, password] = message.split("\0");
      session.authenticated = users?.[user] === password;
      if (!session.authenticated) text = "Authentication failed: Invalid username or password";
    } else {
      session.authenticated = start === "n,," && tokens !== undefined &&
        tokens.some((token) => bearer === `${token}\x01\x01`);
      // As Apache Kafka does: no error, but a challenge.
      if (!session.authenticated) challenge = new TextEncoder().encode('{"status":"invalid_token"}');
    }
    writer.int16(text === null ? 0 : ErrorCode.SASL_AUTHENTICATION_FAILED).string(text).byteString(challenge);
    if (version >= 1) writer.int64(BigInt(sessionLifetimeMs));
  }

  #metadata({ reader, writer, version, errorCode }: Call): void {
    const count = version >= 9 ? reader.uvarint() - 1 : reader.int32();
    const readName = () => {
      if (version >= 10) reader.uuid();
      const name = reader.string();
      reader.tags();
      return name;
    };
    const names = count < 0 ? [...this.topics.keys()] : Array.from({ length: count }, readName);
    const brokers = this.brokers.filter(({ up, nodeId }) => this.advertised?.includes(nodeId) ?? up);
    writer.int32(0).array(brokers, ({ nodeId, port }) => {
      writer.int32(nodeId).string("127.0.0.1").int32(port).string(null).tags();
    });
    writer.string("fake").int32(1).array(names, (name) => {
      const logs = this.topics.get(name);
      writer.int16(logs === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode).string(name);
      if (version >= 10) writer.uuid(logs === undefined ? null : this.#topicIds.get(name)!);
      writer.boolean(name.startsWith("__"));
      writer.array(logs ?? [], (log) => {
        writer.int16(0).int32(logs!.indexOf(log)).int32(log.leader);
        if (version >= 7) writer.int32(log.leaderEpoch);
        writer.array([log.leader], (id) => void writer.int32(id)).array([log.leader], (id) => void writer.int32(id));
        if (version >= 5) writer.array([], () => {});
        writer.tags();
      });
      if (version >= 8) writer.int32(this.rights);
      writer.tags();
    });
    if (version >= 8) writer.int32(0);
    writer.tags();
  }

  #findCoordinator({ writer, errorCode }: Call): void {
    const { nodeId, port } = this.broker(this.coordinator);
    writer.int32(0).int16(errorCode).string(null).int32(nodeId).string("127.0.0.1").int32(port);
  }

  #logAt(nodeId: number, topic: string, partition: number): PartitionLog | number {
    const log = this.topics.get(topic)?.[partition];
    if (log === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return log.leader === nodeId ? log : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  #listOffsets({ nodeId, reader, writer, version, errorCode }: Call): void {
    reader.int32();
    const isolation = version >= 2 ? reader.int8() : 0;
    const topics = reader.array(() => {
      const topic = reader.string();
      return {
        topic,
        partitions: reader.array(() => {
          const partition = reader.int32();
          if (version >= 4) reader.int32();
          return { partition, timestamp: reader.int64() };
        }),
      };
    });
    if (version >= 2) writer.int32(0);
    writer.array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, ({ partition, timestamp }) => {
        const log = this.#logAt(nodeId, topic, partition);
        const code = typeof log === "number" ? log : errorCode;
        const end = typeof log === "number" ? -1 : isolation === 1 ? log.stableEnd : log.end;
        const offset = typeof log === "number"
          ? -1
          : timestamp === -2n
          ? log.start
          : timestamp === -1n
          ? end
          : log.offsetAt(Number(timestamp), end);
        writer.int32(partition).int16(code).int64(-1n).int64(BigInt(offset));
        if (version >= 4) writer.int32(0);
      });
    });
  }

  async #fetch(call: Call): Promise<void> {
    const { nodeId, reader, version } = call;
    reader.int32();
    const maxWaitMs = reader.int32(), minByteLength = reader.int32(), maxByteLength = reader.int32();
    const committedOnly = reader.int8() === 1;
    if (version >= 7) reader.raw(8);
    const names = new Map([...this.#topicIds].map(([topic, id]) => [id, topic]));
    const asked = reader.array(() => {
      const id = version >= 13 ? reader.uuid() : null;
      const topic = version >= 13 ? names.get(id!) ?? "" : reader.string();
      const ofTopic = reader.array(() => {
        const partition = reader.int32();
        if (version >= 9) reader.int32();
        const offset = Number(reader.int64());
        const lastEpoch = version >= 12 ? reader.int32() : -1;
        if (version >= 5) reader.int64();
        const maxByteLength = reader.int32();
        reader.tags();
        return { topic, id, partition, offset, lastEpoch, maxByteLength };
      });
      reader.tags();
      return ofTopic;
    }).flat();
    const rack = version >= 11 ? (reader.array(() => reader.raw(0)), reader.string()) : "";
    reader.tags();
    const logs = asked.map(({ topic, id, partition }) => {
      if (id !== null && topic === "") return ErrorCode.UNKNOWN_TOPIC_ID;
      const log = this.topics.get(topic)?.[partition];
      return log !== undefined && rack !== "" && log.follower === nodeId ? log : this.#logAt(nodeId, topic, partition);
    });
    const available = () =>
      asked.reduce((sum, { offset }, i) => {
        const log = logs[i];
        if (typeof log === "number" || offset > log.end || offset < log.start) return minByteLength;
        if (log.divergence(offset, asked[i].lastEpoch) !== null) return minByteLength;
        return sum + (log.hasAfter(offset, committedOnly ? log.stableEnd : log.end) ? minByteLength : 0);
      }, 0);
    if (call.errorCode === 0 && available() < minByteLength) {
      await this.#anyAppend(logs.filter((log) => typeof log !== "number"), maxWaitMs);
    }
    this.#writeFetched(call, asked, logs, { committedOnly, maxByteLength, rack });
  }

  /** Resolves when one of the logs grows, or after a while. */
  #anyAppend(logs: readonly PartitionLog[], maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        forget();
        this.#stopped.signal.removeEventListener("abort", done);
        for (const log of logs) log.waiters.delete(done);
        resolve();
      };
      const forget = this.#timers.start(done, maxWaitMs);
      this.#stopped.signal.addEventListener("abort", done);
      if (this.#stopped.signal.aborted) done();
      for (const log of logs) log.waiters.add(done);
    });
  }

  #writeFetched(
    { nodeId, writer, version, errorCode }: Call,
    asked: readonly {
      topic: string;
      id: string | null;
      partition: number;
      offset: number;
      lastEpoch: number;
      maxByteLength: number;
    }[],
    logs: readonly (PartitionLog | number)[],
    { committedOnly, maxByteLength, rack }: { committedOnly: boolean; maxByteLength: number; rack: string },
  ): void {
    writer.int32(this.fetchThrottleMs);
    if (version >= 7) writer.int16(0).int32(0);
    let sent = 0;
    writer.array(asked, (one) => {
      const log = logs[asked.indexOf(one)];
      const behind = typeof log !== "number" && log.follower === nodeId && one.offset > log.followerEnd;
      const diverging = typeof log === "number"
        ? null
        : behind
        ? { epoch: one.lastEpoch, endOffset: log.followerEnd }
        : log.divergence(one.offset, one.lastEpoch);
      const outOfRange = typeof log !== "number" && diverging === null &&
        (one.offset < log.start || one.offset > log.end);
      const code = typeof log === "number" ? log : outOfRange ? ErrorCode.OFFSET_OUT_OF_RANGE : errorCode;
      const sendsOn = typeof log !== "number" && rack !== "" && log.follower !== null && log.follower !== nodeId;
      const cutOff = typeof log !== "number" && log.follower === nodeId && one.offset >= log.followerEnd;
      const read = typeof log === "number" || code !== 0 || diverging !== null || sendsOn || cutOff
        ? new Uint8Array(0)
        : log.read(
          one.offset,
          Math.min(one.maxByteLength, maxByteLength - sent),
          { committedOnly, first: sent === 0 },
        );
      sent += read.length;
      const hidden = read.length > 0 ? this.endsBehind : 0;
      this.endsBehind -= hidden;
      const end = typeof log === "number" ? -1 : log.end - hidden,
        stableEnd = typeof log === "number" ? -1 : log.stableEnd;
      const aborted = typeof log === "number" || !committedOnly
        ? []
        : log.aborted.filter(({ lastOffset }) => lastOffset >= one.offset);
      if (version >= 13) writer.uuid(one.id);
      else writer.string(one.topic);
      writer.array([one], () => {
        writer.int32(one.partition).int16(code).int64(BigInt(end)).int64(BigInt(stableEnd));
        if (version >= 5) writer.int64(typeof log === "number" ? -1n : BigInt(log.start));
        writer.array(aborted, ({ producerId, firstOffset }) => {
          writer.int64(producerId).int64(BigInt(firstOffset)).tags();
        });
        if (version >= 11) writer.int32(sendsOn ? log.follower! : -1);
        writer.byteString(read);
        if (diverging === null) writer.tags();
        else writer.uvarint(1).uvarint(0).uvarint(13).int32(diverging.epoch).int64(BigInt(diverging.endOffset)).tags();
      });
      writer.tags();
    });
    writer.tags();
    this.largestAnswer = Math.max(this.largestAnswer, sent);
  }

  #produce({ nodeId, reader, writer, version, errorCode }: Call): void {
    reader.nullableString();
    reader.int16();
    reader.int32();
    const topics = reader.array(() => {
      const topic = reader.string();
      return { topic, partitions: reader.array(() => ({ partition: reader.int32(), records: reader.byteString() })) };
    });
    writer.array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, ({ partition, records }) => {
        const log = this.#logAt(nodeId, topic, partition);
        const tooLarge = records.length > this.maxBatchByteLength ? ErrorCode.MESSAGE_TOO_LARGE : 0;
        const code = typeof log === "number" ? log : errorCode || tooLarge;
        const base = typeof log === "number" || code !== 0 ? -1 : log.appendBytes(Buffer.from(records));
        writer.int32(partition).int16(code).int64(BigInt(base)).int64(-1n);
        if (version >= 5) writer.int64(0n);
      });
    });
    writer.int32(0);
  }

  async #joinGroup({ nodeId, reader, writer, version, errorCode }: Call): Promise<void> {
    const groupId = reader.string(), sessionTimeoutMs = reader.int32(), rebalanceTimeoutMs = reader.int32();
    const memberId = reader.string(), instanceId = version >= 5 ? reader.nullableString() : null;
    reader.string();
    const [{ name, metadata }] = reader.array(() => ({ name: reader.string(), metadata: reader.byteString().slice() }));
    const code = nodeId === this.coordinator ? errorCode : ErrorCode.NOT_COORDINATOR;
    const result = code !== 0
      ? { errorCode: code, generation: -1, protocol: "", leaderId: "", memberId, members: [] }
      : await this.group(groupId).join({
        memberId,
        instanceId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        protocol: name,
        metadata,
      });
    writer.int32(0).int16(result.errorCode).int32(result.generation).string(result.protocol).string(result.leaderId);
    writer.string(result.memberId).array(result.members, (member) => {
      writer.string(member.memberId);
      if (version >= 5) writer.string(null);
      writer.byteString(member.metadata);
    });
  }

  async #syncGroup({ nodeId, reader, writer, version, errorCode }: Call): Promise<void> {
    const groupId = reader.string(), generation = reader.int32(), memberId = reader.string();
    if (version >= 3) reader.nullableString();
    const assignments = new Map(reader.array(() => [reader.string(), reader.byteString().slice()] as const));
    const code = nodeId === this.coordinator ? errorCode : ErrorCode.NOT_COORDINATOR;
    const result = code !== 0
      ? { errorCode: code, assignment: new Uint8Array(0) }
      : await this.group(groupId).sync(memberId, generation, assignments);
    writer.int32(0).int16(result.errorCode).byteString(result.assignment);
  }

  #membership(apiKey: number, { nodeId, reader, writer, errorCode }: Call): void {
    const group = this.group(reader.string());
    let code = nodeId === this.coordinator ? errorCode : ErrorCode.NOT_COORDINATOR;
    if (code === 0 && apiKey === ApiKey.Heartbeat) {
      const generation = reader.int32();
      code = group.heartbeat(reader.string(), generation);
    } else if (code === 0) code = group.leave(reader.string());
    writer.int32(0).int16(code);
  }

  #offsetCommit({ nodeId, reader, writer, version, errorCode }: Call): void {
    const group = this.group(reader.string()), generation = reader.int32(), memberId = reader.string();
    if (version >= 7) reader.nullableString();
    if (version <= 4) reader.int64();
    const topics = reader.array(() => {
      const topic = reader.string();
      return {
        topic,
        partitions: reader.array(() => {
          const partition = reader.int32(), offset = reader.int64();
          const epoch = version >= 6 ? reader.int32() : -1;
          return { partition, offset, epoch, metadata: reader.nullableString() };
        }),
      };
    });
    const refused = nodeId === this.coordinator ? errorCode : ErrorCode.NOT_COORDINATOR;
    writer.int32(0).array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, ({ partition, offset, epoch, metadata }) => {
        const split = `${topic}/${partition}`;
        // Looked at first, as Apache Kafka does (KafkaApis.handleOffsetCommitRequest): whoever the coordinator is.
        const code = this.topics.get(topic)?.[partition] === undefined
          ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : refused !== 0
          ? refused
          : group.commit(memberId, generation, split, { offset, metadata, epoch });
        writer.int32(partition).int16(code);
      });
    });
  }

  #offsetFetch({ nodeId, reader, writer, version, errorCode }: Call): void {
    const group = this.group(reader.string());
    const count = reader.int32();
    const topics = count >= 0
      ? Array.from(
        { length: count },
        () => ({ topic: reader.string(), partitions: reader.array(() => reader.int32()) }),
      )
      : [...this.topics].map(([topic, logs]) => ({
        topic,
        partitions: logs.map((_, i) => i).filter((i) => group.offsets.has(`${topic}/${i}`)),
      }));
    writer.int32(0).array(topics, ({ topic, partitions }) => {
      writer.string(topic).array(partitions, (partition) => {
        const committed = group.offsets.get(`${topic}/${partition}`);
        writer.int32(partition).int64(committed?.offset ?? -1n);
        if (version >= 5) writer.int32(committed?.epoch ?? -1);
        writer.string(committed?.metadata ?? "").int16(0);
      });
    });
    writer.int16(nodeId === this.coordinator ? errorCode : ErrorCode.NOT_COORDINATOR);
  }
}
