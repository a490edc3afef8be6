/**
 * Compaction may leave nothing of a log's end: [offset, end) has offsets, and no batch. The broker then answers a fetch
 * with no records, as it also does when the answer is full or its remote storage is slow. So ask alone, and for the very
 * last offset too: when anything comes, there is something to wait for.
 */
import type { KafkaClient } from "../network/client.ts";
import type { FetchSettings } from "../fetch/fetcher.ts";
import { ErrorCode } from "../protocol/errors.ts";
import { fetchRequest } from "../protocol/fetch.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";

export interface TailQuestion {
  readonly client: KafkaClient;
  /** Node id of the partition's leader. */
  readonly leader: number;
  readonly partition: TopicPartition;
  /** Where a fetch brought nothing. */
  readonly offset: number;
  /** Up to where the broker would let us read. */
  readonly end: number;
  readonly settings: FetchSettings;
}

/** True when no record follows `offset` before `end`. @throws RetriableError, FatalError, the signal's reason */
export async function isTailEmpty(
  { client, leader, partition, offset, end, settings }: TailQuestion,
  signal: AbortSignal,
): Promise<boolean> {
  const { topic, partition: number } = partition;
  for (const at of [offset, end - 1]) {
    const request = fetchRequest([{ topic, partition: number, offset: BigInt(at), maxByteLength: 1 }], {
      maxWaitMs: settings.maxWaitMs,
      minByteLength: 1,
      maxByteLength: 1,
      isolation: settings.isolation,
      rack: "",
    });
    const timeoutMs = settings.requestTimeoutMs + settings.maxWaitMs;
    const { errorCode, partitions: [answer] } = await client.send(leader, "control", request, { signal, timeoutMs });
    if (errorCode !== ErrorCode.NONE || answer === undefined || answer.errorCode !== ErrorCode.NONE) return false;
    if (answer.records.length > 0) return false;
  }
  return true;
}
