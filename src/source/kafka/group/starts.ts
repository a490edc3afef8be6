/** Where reading begins: the group's committed offsets, and what stands for them where there are none. */
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import type { Logger } from "../../../runtime/log.ts";
import type { TopicId } from "../protocol/metadata.ts";
import type { AssignmentHints } from "./assignor.ts";
import type { KafkaClient } from "../network/client.ts";
import { type Coordinator, throwGroupError } from "./coordinator.ts";
import { splitOf } from "../fetch/partition.ts";
import { ErrorCode, errorName, isCoordinatorMoved } from "../protocol/errors.ts";
import type { IsolationLevel } from "../protocol/fetch.ts";
import { EARLIEST, LATEST, listOffsetsRequest } from "../protocol/list_offsets.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import { type CommittedOffset, offsetFetchRequest } from "../protocol/offsets.ts";
import type { TopicWatch } from "../fetch/topic_watch.ts";

/** For the log, wherever it turns out. */
export const MADE_ANEW =
  "the topic was deleted and made anew: what was not read of the old one is gone; the new one is read from its start";

export type StartPolicy = "earliest" | "latest";

export interface Start extends TopicPartition {
  readonly offset: bigint;
  /** See PartitionPlace. */
  readonly leaderEpoch: number;
  /** How often the log had lost its end, and other records took the places of those that were read. */
  readonly cuts: number;
  readonly committed: boolean;
}

export interface StartsParts {
  readonly client: KafkaClient;
  readonly coordinator: Coordinator;
  readonly topics: TopicWatch;
  readonly isolation: IsolationLevel;
  readonly policy: StartPolicy;
  readonly log: Logger;
}

/** What is committed beside an offset: which log it is one of. Null for brokers without ids of topics. */
export function commitMetadata(topicId: TopicId, log: string | undefined): string | null {
  const cuts = cutsOf(log);
  return topicId === null && cuts === 0 ? null : JSON.stringify({ topicId, ...(cuts > 0 && { cuts }) });
}

/** How often the log of this name (see `cutLog`) had lost its end. */
export function cutsOf(log: string | undefined): number {
  return Number(/#(\d{1,9})$/.exec(log ?? "")?.[1] ?? 0);
}

/** The name of a log that lost its end so often: offsets that come a second time stand for other records. */
export function cutLog(log: string | undefined, cuts: number): string | undefined {
  return cuts === 0 ? log : `${log ?? ""}#${cuts}`;
}

/** Null when whoever committed it didn't say. */
function committedFor({ metadata }: CommittedOffset): TopicId {
  return /^\{"topicId":"([0-9a-f]{32})"/.exec(metadata)?.[1] ?? null;
}

function cutsOfCommit(metadata: string): number {
  return Number(/^\{"topicId":(?:"[0-9a-f]{32}"|null),"cuts":(\d{1,9})\}$/.exec(metadata)?.[1] ?? 0);
}

/** What the group has committed for these partitions, or (null) for all. @throws RetriableError, FatalError */
export async function committedOffsets(
  coordinator: Coordinator,
  partitions: readonly TopicPartition[] | null,
  signal: AbortSignal,
): Promise<readonly CommittedOffset[]> {
  const request = offsetFetchRequest(coordinator.groupId, partitions);
  const { errorCode, offsets } = await coordinator.send("commit", request, { signal });
  for (const code of [errorCode, ...offsets.map((offset) => offset.errorCode)]) {
    // A topic that was deleted meanwhile has no offsets: as if nothing had been committed.
    if (code === ErrorCode.NONE || code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
    if (isCoordinatorMoved(code)) coordinator.forget();
    throwGroupError(code, coordinator.groupId, "OffsetFetch");
  }
  return offsets.filter(({ offset }) => offset >= 0n);
}

/** What leaders said, by split, and why the rest is unknown; null when there is no rest. */
interface Listed {
  readonly found: Map<string, bigint>;
  readonly failure: RetriableError | null;
}

type ListOffsetsParts = Pick<StartsParts, "client" | "topics" | "isolation">;
type ListAt = StartPolicy | { readonly timestampMs: number };

function timestampOf(at: ListAt): bigint {
  if (at === "earliest") return EARLIEST;
  return at === "latest" ? LATEST : BigInt(Math.max(0, Math.ceil(at.timestampMs)));
}

/** What can be known now of the partitions' offsets. @throws FatalError, the signal's reason */
async function listKnownOffsets(
  { client, topics, isolation }: ListOffsetsParts,
  partitions: readonly TopicPartition[],
  at: ListAt,
  signal: AbortSignal,
): Promise<Listed> {
  const found = new Map<string, bigint>();
  let failure: RetriableError | null = null;
  const ask = async (leader: number, group: readonly TopicPartition[]) => {
    if (leader < 0) throw new RetriableError(`Partition ${splitOf(group[0])} has no leader`);
    const request = listOffsetsRequest(group, timestampOf(at), isolation);
    const { offsets } = await client.send(leader, "control", request, { signal });
    for (const { topic, partition, errorCode, offset } of offsets) {
      if (errorCode === ErrorCode.NONE) found.set(splitOf({ topic, partition }), offset);
      else if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) {
        throw new FatalError(`Not allowed to read topic ${topic}: its DESCRIBE and READ rights are missing`);
      } else failure ??= new RetriableError(`ListOffsets of ${topic}/${partition} failed: ${errorName(errorCode)}`);
    }
  };
  const leaders = Map.groupBy(partitions, ({ topic, partition }) => topics.leaderOf(topic, partition));
  await Promise.all([...leaders].map(async ([leader, group]) => {
    try {
      await ask(leader, group);
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error;
      failure ??= error;
    }
  }));
  if (failure !== null) await topics.refresh(signal);
  return { found, failure };
}

/**
 * The first or the next offsets, or the first ones at or after a time (-1: there are none), asked of the partitions'
 * leaders.
 *
 * @throws RetriableError, FatalError
 */
export async function listOffsets(
  parts: ListOffsetsParts,
  partitions: readonly TopicPartition[],
  at: ListAt,
  signal: AbortSignal,
): Promise<Map<string, bigint>> {
  const { found, failure } = await listKnownOffsets(parts, partitions, at, signal);
  if (failure !== null) throw failure;
  return found;
}

/** Where the partition's log begins, and where it ends for us. @throws RetriableError, FatalError */
export async function logRange(
  parts: ListOffsetsParts,
  partition: TopicPartition,
  signal: AbortSignal,
): Promise<{ first: number; end: number }> {
  const split = splitOf(partition);
  const [first, end] = await Promise.all((["earliest", "latest"] as const).map(async (at) => {
    const offset = (await listOffsets(parts, [partition], at, signal)).get(split);
    if (offset === undefined) throw new RetriableError(`The broker doesn't say which offsets ${split} has`);
    return Number(offset);
  }));
  return { first, end };
}

/** Starts of partitions; where there is a failure, some are missing, and can be asked for again. */
export interface Starts {
  readonly starts: readonly Start[];
  readonly failure: RetriableError | null;
}

/**
 * A start for each of the partitions, as far as it can be known now: one without a leader mustn't hold up the others.
 * `hints` is called when there are partitions without a committed offset.
 *
 * @throws RetriableError, FatalError
 */
export async function resolveStarts(
  parts: StartsParts,
  partitions: readonly TopicPartition[],
  hints: () => Promise<AssignmentHints>,
  signal: AbortSignal,
): Promise<Starts> {
  if (partitions.length === 0) return { starts: [], failure: null };
  const { topics, log } = parts;
  const found = await committedOffsets(parts.coordinator, partitions, signal);
  const [committed, ofOthers] = [true, false].map((wanted) =>
    found.filter((one) => topics.isOfNow(one.topic, committedFor(one)) === wanted)
  );
  for (const one of ofOthers) {
    log.error(
      MADE_ANEW,
      { split: splitOf(one), offset: String(one.offset), topicId: topics.idOf(one.topic) },
    );
  }
  const starts: Start[] = committed.map(({ topic, partition, offset, epoch, metadata }) => ({
    ...{ topic, partition, offset },
    leaderEpoch: epoch,
    cuts: cutsOfCommit(metadata),
    committed: true,
  }));
  const known = new Set(committed.map(splitOf));
  const missing = partitions.filter((one) => !known.has(splitOf(one)));
  if (missing.length === 0) return { starts, failure: null };
  const early = new Set([...(await hints()).earliestTopics, ...ofOthers.map(({ topic }) => topic)]);
  let failure: RetriableError | null = null;
  for (const policy of ["earliest", "latest"] as const) {
    const group = missing.filter(({ topic }) => (early.has(topic) ? "earliest" : parts.policy) === policy);
    if (group.length === 0) continue;
    const listed = await listKnownOffsets(parts, group, policy, signal);
    failure ??= listed.failure;
    if (policy === "latest") await warnOfLeftOut(parts, group, listed.found, signal);
    for (const { topic, partition } of group) {
      const offset = listed.found.get(splitOf({ topic, partition }));
      if (offset === undefined) continue;
      starts.push({ topic, partition, offset, leaderEpoch: -1, cuts: 0, committed: false });
      if (policy === "earliest") topics.believe(topic);
    }
  }
  return { starts, failure };
}

/** A group that is new, or whose offsets expired, begins behind what is there: nobody may notice. */
async function warnOfLeftOut(
  { log, ...parts }: StartsParts,
  partitions: readonly TopicPartition[],
  latest: ReadonlyMap<string, bigint>,
  signal: AbortSignal,
): Promise<void> {
  const { found: first } = await listKnownOffsets(parts, partitions, "earliest", signal);
  let records = 0n;
  for (const [split, offset] of latest) records += offset - (first.get(split) ?? offset);
  if (records === 0n) return;
  log.warn(
    "the group has no offsets of these partitions (it is new, or they expired): with kafka.offset=latest, what is there " +
      "already is left out",
    { partitions: latest.size, split: [...latest.keys()][0], records: Number(records) },
  );
}

/**
 * Topics whose partitions without a committed offset came later than the group's first look, and so start at the
 * earliest: those of which other partitions have one, those that came into being before our eyes, and, where topics are
 * a pattern, all when the group has committed anything of what the pattern matches.
 */
export async function startHints(
  parts: Pick<StartsParts, "coordinator" | "topics">,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<AssignmentHints> {
  const started = new Set((await committedOffsets(parts.coordinator, null, signal)).map(({ topic }) => topic));
  const anyStarted = topics.some((topic) => started.has(topic));
  const all = parts.topics.isPattern && anyStarted;
  return { earliestTopics: topics.filter((topic) => all || started.has(topic) || parts.topics.appeared.has(topic)) };
}
