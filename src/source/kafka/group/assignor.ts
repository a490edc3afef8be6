/**
 * Who reads what: the leader of a generation gets everyone's subscription and hands out the partitions. The bytes are
 * those of Java's ConsumerProtocol, so that range and roundrobin work in a group with Java clients.
 */
import { byTopic, type TopicPartition } from "../protocol/topic_partition.ts";
import { WireReader, WireWriter } from "../protocol/wire.ts";

export type Strategy = "range" | "roundrobin" | "cooperative-sticky";

export interface Subscription {
  readonly topics: readonly string[];
  /** What the member goes on reading during the rebalance; only with cooperative-sticky. */
  readonly owned: readonly TopicPartition[];
}

export interface Member extends Subscription {
  readonly memberId: string;
}

export interface Assignment {
  readonly partitions: readonly TopicPartition[];
  /** Null when the leader is somebody else's client. */
  readonly hints: AssignmentHints | null;
}

/** What our leader tells everyone beside the partitions. */
export interface AssignmentHints {
  /** Partitions of these topics that have no committed offset appeared later: they start at the earliest. */
  readonly earliestTopics: readonly string[];
}

const HINTS_PREFIX = "collector ";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function writePartitions(writer: WireWriter, partitions: readonly TopicPartition[]): void {
  writer.array(byTopic(partitions), ([topic, group]) => {
    writer.string(topic).array(group, ({ partition }) => void writer.int32(partition));
  });
}

function readPartitions(reader: WireReader): TopicPartition[] {
  return reader.array(() => {
    const topic = reader.string();
    return reader.array(() => ({ topic, partition: reader.int32() }));
  }).flat();
}

export function encodeSubscription({ topics, owned }: Subscription): Uint8Array {
  const writer = new WireWriter().int16(1);
  writer.array(topics, (topic) => void writer.string(topic)).byteString(null);
  writePartitions(writer, owned);
  return writer.bytes;
}

export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new WireReader(bytes), version = reader.int16();
  const topics = reader.array(() => reader.string());
  reader.byteString(); // user data
  return { topics, owned: version >= 1 && reader.remaining > 0 ? readPartitions(reader) : [] };
}

export function encodeAssignment(partitions: readonly TopicPartition[], hints: AssignmentHints): Uint8Array {
  const writer = new WireWriter().int16(0);
  writePartitions(writer, partitions);
  return writer.byteString(encoder.encode(HINTS_PREFIX + JSON.stringify(hints))).bytes;
}

export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], hints: null };
  const reader = new WireReader(bytes);
  reader.int16();
  const partitions = readPartitions(reader);
  const text = decoder.decode(reader.byteString());
  const hints = text.startsWith(HINTS_PREFIX) ? JSON.parse(text.slice(HINTS_PREFIX.length)) as AssignmentHints : null;
  return { partitions, hints };
}

/** Partitions by member id. `partitionsOf` lists the partitions of every topic that anybody reads. */
export function assign(
  strategy: Strategy,
  members: readonly Member[],
  partitionsOf: ReadonlyMap<string, readonly number[]>,
): Map<string, TopicPartition[]> {
  const sorted = [...members].sort((a, b) => a.memberId < b.memberId ? -1 : 1);
  const assigned = new Map<string, TopicPartition[]>(sorted.map(({ memberId }) => [memberId, []]));
  const topics = [...partitionsOf.keys()].sort();
  if (strategy === "range") assignRange(sorted, topics, partitionsOf, assigned);
  else {
    const all = topics.flatMap((topic) => partitionsOf.get(topic)!.map((partition) => ({ topic, partition })));
    if (strategy === "roundrobin") assignRoundRobin(sorted, all, assigned);
    else assignSticky(sorted, all, assigned);
  }
  return assigned;
}

function assignRange(
  members: readonly Member[],
  topics: readonly string[],
  partitionsOf: ReadonlyMap<string, readonly number[]>,
  assigned: Map<string, TopicPartition[]>,
): void {
  for (const topic of topics) {
    const readers = members.filter((member) => member.topics.includes(topic));
    const partitions = partitionsOf.get(topic)!;
    let next = 0;
    readers.forEach(({ memberId }, i) => {
      const share = Math.floor(partitions.length / readers.length) + (i < partitions.length % readers.length ? 1 : 0);
      for (const partition of partitions.slice(next, next += share)) assigned.get(memberId)!.push({ topic, partition });
    });
  }
}

function assignRoundRobin(
  members: readonly Member[],
  partitions: readonly TopicPartition[],
  assigned: Map<string, TopicPartition[]>,
): void {
  let turn = 0;
  for (const one of partitions) {
    if (!members.some(({ topics }) => topics.includes(one.topic))) continue;
    while (!members[turn % members.length].topics.includes(one.topic)) turn++;
    assigned.get(members[turn++ % members.length].memberId)!.push(one);
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

/**
 * Everyone keeps what they have up to a fair share, the rest goes to whoever has least. A partition that moves is given
 * to nobody this time: its owner learns that it lost it, lets go and joins again, and then it finds its new owner.
 */
function assignSticky(
  members: readonly Member[],
  partitions: readonly TopicPartition[],
  assigned: Map<string, TopicPartition[]>,
): void {
  const free = new Map(partitions.map((one) => [keyOf(one), one]));
  const owners = new Map<string, string>();
  const fewest = Math.floor(partitions.length / members.length);
  let withOneMore = partitions.length % members.length;
  for (const { memberId, topics, owned } of members) {
    const kept = assigned.get(memberId)!;
    for (const one of owned) {
      const key = keyOf(one);
      if (!owners.has(key)) owners.set(key, memberId);
      if (!free.has(key) || !topics.includes(one.topic)) continue;
      if (kept.length >= fewest) {
        if (kept.length > fewest || withOneMore === 0) continue;
        withOneMore--;
      }
      free.delete(key);
      kept.push(one);
    }
  }
  const load = new Map(members.map(({ memberId }) => [memberId, assigned.get(memberId)!.length]));
  for (const [key, one] of free) {
    const readers = members.filter(({ topics }) => topics.includes(one.topic));
    if (readers.length === 0) continue;
    const least = readers.reduce((a, b) => load.get(b.memberId)! < load.get(a.memberId)! ? b : a).memberId;
    load.set(least, load.get(least)! + 1);
    const owner = owners.get(key);
    if (owner === undefined || owner === least) assigned.get(least)!.push(one);
  }
}
