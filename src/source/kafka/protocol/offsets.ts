import { ApiKey, type ApiRequest } from "./api.ts";
import type { Membership } from "./group.ts";
import { byTopic, type TopicPartition } from "./topic_partition.ts";

export interface OffsetToCommit extends TopicPartition {
  readonly offset: bigint;
  /** The leader's epoch in the record before the offset, -1 when it isn't known. */
  readonly epoch: number;
  /** Kept by the broker beside the offset; null for none. */
  readonly metadata: string | null;
}

export interface CommitAnswer {
  readonly throttleMs: number;
  readonly results: readonly (TopicPartition & { readonly errorCode: number })[];
}

/** Moves the group's offsets, if the membership still holds. */
export function offsetCommitRequest(member: Membership, offsets: readonly OffsetToCommit[]): ApiRequest<CommitAnswer> {
  return {
    name: "OffsetCommit",
    apiKey: ApiKey.OffsetCommit,
    minVersion: 3,
    maxVersion: 7,
    encode(writer, version) {
      writer.string(member.groupId).int32(member.generation).string(member.memberId);
      if (version >= 7) writer.string(member.instanceId);
      if (version <= 4) writer.int64(-1n); // retention: the broker's own
      writer.array(byTopic(offsets), ([topic, group]) => {
        writer.string(topic).array(group, ({ partition, offset, epoch, metadata }) => {
          writer.int32(partition).int64(offset);
          if (version >= 6) writer.int32(epoch);
          writer.string(metadata);
        });
      });
    },
    decode: (reader) => ({
      throttleMs: reader.int32(),
      results: reader.array(() => {
        const topic = reader.string();
        return reader.array(() => ({ topic, partition: reader.int32(), errorCode: reader.int16() }));
      }).flat(),
    }),
  };
}

export interface CommittedOffset extends TopicPartition {
  /** -1 when nothing was committed. */
  readonly offset: bigint;
  /** As it was committed, -1 when nobody said it. */
  readonly epoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

export interface OffsetFetchAnswer {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly offsets: readonly CommittedOffset[];
}

/** What the group has committed, for these partitions or (null) for all. */
export function offsetFetchRequest(
  groupId: string,
  partitions: readonly TopicPartition[] | null,
): ApiRequest<OffsetFetchAnswer> {
  return {
    name: "OffsetFetch",
    apiKey: ApiKey.OffsetFetch,
    minVersion: 3,
    maxVersion: 5,
    encode(writer) {
      writer.string(groupId);
      if (partitions === null) return void writer.int32(-1);
      writer.array(byTopic(partitions), ([topic, group]) => {
        writer.string(topic).array(group, ({ partition }) => void writer.int32(partition));
      });
    },
    decode(reader, version) {
      const throttleMs = reader.int32();
      const offsets = reader.array(() => {
        const topic = reader.string();
        return reader.array(() => {
          const partition = reader.int32(), offset = reader.int64();
          const epoch = version >= 5 ? reader.int32() : -1;
          return { topic, partition, offset, epoch, metadata: reader.string(), errorCode: reader.int16() };
        });
      }).flat();
      return { throttleMs, offsets, errorCode: reader.int16() };
    },
  };
}
