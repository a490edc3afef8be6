import { ApiKey, type ApiRequest } from "./api.ts";
import { byTopic, type TopicPartition } from "./topic_partition.ts";

/** 0: everything; 1: nothing of open or aborted transactions. */
export type IsolationLevel = 0 | 1;
export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;

export interface FetchPartition extends TopicPartition {
  readonly offset: bigint;
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
    maxVersion: 11, // 10: zstd; 11: rack; 12 and later are flexible, 13 and later want topic ids
    encode(writer, version) {
      writer.int32(-1).int32(options.maxWaitMs).int32(options.minByteLength).int32(options.maxByteLength);
      writer.int8(options.isolation);
      if (version >= 7) writer.int32(0).int32(-1); // no fetch session
      writer.array(byTopic(partitions), ([topic, group]) => {
        writer.string(topic).array(group, ({ partition, offset, maxByteLength }) => {
          writer.int32(partition);
          if (version >= 9) writer.int32(-1); // current leader epoch: unknown
          writer.int64(offset);
          if (version >= 5) writer.int64(-1n); // log start offset: only followers know
          writer.int32(maxByteLength);
        });
      });
      if (version >= 7) writer.int32(0); // forgotten topics
      if (version >= 11) writer.string(options.rack);
    },
    decode(reader, version) {
      const throttleMs = reader.int32();
      const errorCode = version >= 7 ? reader.int16() : 0;
      if (version >= 7) reader.int32(); // session id
      const partitions = reader.array(() => {
        const topic = reader.string();
        return reader.array(() => {
          const partition = reader.int32(), errorCode = reader.int16(), highWatermark = reader.int64();
          const lastStableOffset = reader.int64();
          const logStartOffset = version >= 5 ? reader.int64() : -1n;
          const aborted = reader.array(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }));
          const preferredReplica = version >= 11 ? reader.int32() : -1;
          const records = reader.byteString();
          return {
            ...{ topic, partition, errorCode, highWatermark, lastStableOffset, logStartOffset },
            ...{ aborted, preferredReplica, records },
          };
        });
      }).flat();
      return { throttleMs, errorCode, partitions };
    },
  };
}
