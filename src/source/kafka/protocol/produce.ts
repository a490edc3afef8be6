import { ApiKey, type ApiRequest } from "./api.ts";
import { byTopic, type TopicPartition } from "./topic_partition.ts";

export interface PartitionRecords extends TopicPartition {
  /** One record batch. */
  readonly records: Uint8Array;
}

export interface ProduceAnswer {
  readonly throttleMs: number;
  readonly results: readonly (TopicPartition & { readonly errorCode: number; readonly baseOffset: bigint })[];
}

/** Appends record batches, one a partition; answered when all replicas in sync have them. */
export function produceRequest(batches: readonly PartitionRecords[], timeoutMs: number): ApiRequest<ProduceAnswer> {
  return {
    name: "Produce",
    apiKey: ApiKey.Produce,
    minVersion: 3,
    maxVersion: 7,
    encode(writer) {
      writer.string(null).int16(-1).int32(timeoutMs);
      writer.array(byTopic(batches), ([topic, group]) => {
        writer.string(topic).array(group, ({ partition, records }) => void writer.int32(partition).byteString(records));
      });
    },
    decode(reader, version) {
      const results = reader.array(() => {
        const topic = reader.string();
        return reader.array(() => {
          const partition = reader.int32(), errorCode = reader.int16(), baseOffset = reader.int64();
          reader.int64(); // log append time
          if (version >= 5) reader.int64(); // log start offset
          return { topic, partition, errorCode, baseOffset };
        });
      }).flat();
      return { throttleMs: reader.int32(), results };
    },
  };
}
