import { ApiKey, type ApiRequest } from "./api.ts";
import type { TopicId } from "./metadata.ts";
import { byTopic, type TopicPartition } from "./topic_partition.ts";

/** 0: everything; 1: nothing of open or aborted transactions. */
export type IsolationLevel = 0 | 1;
export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;

export interface FetchPartition extends TopicPartition {
  /** Null or absent when it isn't known. */
  readonly topicId?: TopicId;
  readonly offset: bigint;
  /** The leader's epoch of the record before `offset`; -1 or absent when it isn't known, and then nothing is compared. */
  readonly lastEpoch?: number;
  readonly maxByteLength: number;
}

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly minByteLength: number;
  readonly maxByteLength: number;
  readonly isolation: IsolationLevel;
  readonly rack: string;
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

export interface FetchedPartition extends TopicPartition {
  readonly errorCode: number;
  readonly highWatermark: bigint;
  /** Everything before it is decided; -1 when the broker keeps no count of it. */
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  /** Only with READ_COMMITTED. */
  readonly aborted: readonly AbortedTransaction[];
  /** The broker to fetch from instead, -1 for none. */
  readonly preferredReplica: number;
  /** Where the log parts from what we read of it; null when it doesn't. */
  readonly diverging: { readonly epoch: number; readonly endOffset: bigint } | null;
  /** Record batches as they are in the log, the last one perhaps cut short; shares memory with the response. */
  readonly records: Uint8Array;
}

export interface FetchAnswer {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

/**
 * Records of several partitions, each from an offset on. The broker answers in the order of the partitions and gives the
 * first one that has data at least one whole batch, however large (KIP-74).
 */
export function fetchRequest(partitions: readonly FetchPartition[], options: FetchOptions): ApiRequest<FetchAnswer> {
  return {
    name: "Fetch",
    apiKey: ApiKey.Fetch,
    minVersion: 4,
    // 10: zstd; 11: rack; 12: epochs that part; 13: ids in place of names
    maxVersion: partitions.every(({ topicId }) => topicId) ? 13 : 12,
    flexibleFrom: 12,
    encode(writer, version) {
      writer.int32(-1).int32(options.maxWaitMs).int32(options.minByteLength).int32(options.maxByteLength);
      writer.int8(options.isolation);
      if (version >= 7) writer.int32(0).int32(-1); // no fetch session
      writer.array(byTopic(partitions), ([topic, group]) => {
        if (version >= 13) writer.uuid(group[0].topicId ?? null);
        else writer.string(topic);
        writer.array(group, ({ partition, offset, lastEpoch, maxByteLength }) => {
          writer.int32(partition);
          if (version >= 9) writer.int32(-1); // current leader epoch: unknown
          writer.int64(offset);
          if (version >= 12) writer.int32(lastEpoch ?? -1);
          if (version >= 5) writer.int64(-1n); // log start offset: only followers know
          writer.int32(maxByteLength).tags();
        }).tags();
      });
      if (version >= 7) writer.array([], () => {}); // forgotten topics
      if (version >= 11) writer.string(options.rack);
      writer.tags();
    },
    decode(reader, version) {
      const throttleMs = reader.int32();
      const errorCode = version >= 7 ? reader.int16() : 0;
      if (version >= 7) reader.int32(); // session id
      const names = new Map(partitions.map(({ topic, topicId }) => [topicId, topic]));
      const fetched = reader.array(() => {
        const topic = version >= 13 ? names.get(reader.uuid()) ?? "" : reader.string();
        const ofTopic = reader.array(() => {
          const partition = reader.int32(), errorCode = reader.int16(), highWatermark = reader.int64();
          const lastStableOffset = reader.int64();
          const logStartOffset = version >= 5 ? reader.int64() : -1n;
          const aborted = reader.array(() => {
            const transaction = { producerId: reader.int64(), firstOffset: reader.int64() };
            reader.tags();
            return transaction;
          });
          const preferredReplica = version >= 11 ? reader.int32() : -1;
          const records = reader.byteString();
          let diverging: FetchedPartition["diverging"] = null;
          reader.tags((tag) => {
            if (tag === 0) diverging = { epoch: reader.int32(), endOffset: reader.int64() };
          });
          return {
            ...{ topic, partition, errorCode, highWatermark, lastStableOffset, logStartOffset },
            ...{ aborted, preferredReplica, diverging, records },
          };
        });
        reader.tags();
        return ofTopic;
      }).flat();
      reader.tags();
      return { throttleMs, errorCode, partitions: fetched };
    },
  };
}
