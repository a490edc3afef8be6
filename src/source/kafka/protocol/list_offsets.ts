import { byTopic, type TopicPartition } from "./topic_partition.ts";
import { ApiKey, type ApiRequest } from "./api.ts";
import type { IsolationLevel } from "./fetch.ts";

export const EARLIEST = -2n;
export const LATEST = -1n;

export interface ListedOffset extends TopicPartition {
  readonly errorCode: number;
  readonly offset: bigint;
}

/** The first or the next offset of partitions, at their leader. `timestamp` is EARLIEST or LATEST (or epoch ms). */
export function listOffsetsRequest(
  partitions: readonly TopicPartition[],
  timestamp: bigint,
  isolation: IsolationLevel,
): ApiRequest<{ throttleMs: number; offsets: ListedOffset[] }> {
  return {
    name: "ListOffsets",
    apiKey: ApiKey.ListOffsets,
    minVersion: 2,
    maxVersion: 5,
    encode(writer, version) {
      writer.int32(-1).int8(isolation);
      writer.array(byTopic(partitions), ([topic, group]) => {
        writer.string(topic).array(group, ({ partition }) => {
          writer.int32(partition);
          if (version >= 4) writer.int32(-1); // current leader epoch: unknown
          writer.int64(timestamp);
        });
      });
    },
    decode(reader, version) {
      const throttleMs = reader.int32();
      const offsets = reader.array(() => {
        const topic = reader.string();
        return reader.array(() => {
          const partition = reader.int32(), errorCode = reader.int16();
          reader.int64(); // timestamp
          const offset = reader.int64();
          if (version >= 4) reader.int32(); // leader epoch
          return { topic, partition, errorCode, offset };
        });
      }).flat();
      return { throttleMs, offsets };
    },
  };
}
