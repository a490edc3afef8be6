/** Offsets of a group that nobody is a member of: where a job got to, for whoever looks. */
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type Position, type SplitId, splitParent } from "../../../records/position.ts";
import type { KafkaClient } from "../network/client.ts";
import { Coordinator, throwGroupError } from "./coordinator.ts";
import { selectionOf } from "../historical.ts";
import type { KafkaConfig } from "../options.ts";
import { partitionOf, splitOf } from "../fetch/partition.ts";
import { ErrorCode, isCoordinatorMoved } from "../protocol/errors.ts";
import { offsetCommitRequest } from "../protocol/offsets.ts";
import { committedOffsets } from "./starts.ts";
import { selectTopics } from "../fetch/topics.ts";

const RETRY: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 2000, maxAttempts: Infinity };

/** What the group has committed, of all topics. @throws RetriableError, FatalError, the signal's reason */
export async function publishedOffsets(
  coordinator: Coordinator,
  signal: AbortSignal,
): Promise<ReadonlyMap<SplitId, Position>> {
  const offsets = await committedOffsets(coordinator, null, signal);
  return new Map(offsets.map((one) => [splitOf(one), String(one.offset)]));
}

/** Up to where the live collector's group has come in what it reads. Errors as with Source: retried while they may pass. */
export async function liveOffsets(
  config: KafkaConfig,
  client: KafkaClient,
  { runtime, signal }: { runtime: Runtime; signal: AbortSignal },
): Promise<ReadonlyMap<SplitId, Position>> {
  const coordinator = new Coordinator(client, config.groupId);
  const ask = () => publishedOffsets(coordinator, signal);
  const found = await retry("kafka committed offsets", ask, { policy: RETRY, runtime, signal });
  const read = new Set(selectTopics(selectionOf(config), [...new Set([...found.keys()].map(splitParent))]));
  return new Map([...found].filter(([split]) => read.has(splitParent(split))));
}

/**
 * Sets the group's offsets from outside, as kafka-consumer-groups.sh does. The broker drops them some days after the last
 * time (offsets.retention.minutes).
 *
 * @throws RetriableError; FatalError when the group has members, or may not be used; the signal's reason.
 */
export async function publishOffsets(
  coordinator: Coordinator,
  positions: ReadonlyMap<SplitId, Position>,
  signal: AbortSignal,
): Promise<void> {
  const { groupId } = coordinator;
  const outsider = { groupId, generation: -1, memberId: "", instanceId: null };
  const offsets = [...positions].map(([split, position]) => ({
    ...partitionOf(split),
    offset: BigInt(position),
    epoch: -1,
    metadata: null,
  }));
  const { results } = await coordinator.send("commit", offsetCommitRequest(outsider, offsets), { signal });
  for (const result of results) {
    const { errorCode } = result;
    if (errorCode === ErrorCode.NONE) continue;
    if (isCoordinatorMoved(errorCode)) coordinator.forget();
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      throw new FatalError(
        `Group ${groupId} has members, so its offsets can't be set: choose another name for the job`,
      );
    }
    throwGroupError(errorCode, groupId, `OffsetCommit of ${splitOf(result)}`);
  }
  if (results.length < offsets.length) {
    throw new RetriableError(`OffsetCommit of group ${groupId} was answered in part`);
  }
}
