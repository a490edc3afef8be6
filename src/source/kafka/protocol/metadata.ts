import { ApiKey, type ApiRequest } from "./api.ts";

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface PartitionMetadata {
  readonly errorCode: number;
  readonly partition: number;
  /** -1 while there is none. */
  readonly leader: number;
}

/** Of a log, not of its name: 32 hexadecimal digits; null where the brokers (before 2.8) have none. */
export type TopicId = string | null;

export interface TopicMetadata {
  readonly errorCode: number;
  readonly topic: string;
  readonly id: TopicId;
  readonly internal: boolean;
  readonly partitions: readonly PartitionMetadata[];
  /** What we may do with it, a bit an operation; undefined when that wasn't asked, or the broker doesn't say. */
  readonly rights: number | undefined;
}

export interface ClusterMetadata {
  readonly throttleMs: number;
  readonly brokers: readonly BrokerAddress[];
  readonly clusterId: string | null;
  readonly topics: readonly TopicMetadata[];
}

/** The bit of `rights` for producing (org.apache.kafka.common.acl.AclOperation). */
export const WRITE_RIGHT = 1 << 4;
const UNKNOWN_RIGHTS = -(2 ** 31);

/** Brokers and the partitions' leaders. Null asks for all topics. Never creates a topic. */
export function metadataRequest(
  topics: readonly string[] | null,
  { withRights = false }: { withRights?: boolean } = {},
): ApiRequest<ClusterMetadata> {
  return {
    name: "Metadata",
    apiKey: ApiKey.Metadata,
    minVersion: 4, // the first that can forbid the creation of topics
    maxVersion: 10, // the first with ids of topics
    flexibleFrom: 9,
    encode(writer, version) {
      if (topics === null) writer.nullArray();
      else {
        writer.array(topics, (topic) => {
          if (version >= 10) writer.uuid(null);
          writer.string(topic).tags();
        });
      }
      writer.boolean(false);
      if (version >= 8) writer.boolean(false).boolean(withRights); // of the cluster, of the topics
      writer.tags();
    },
    decode(reader, version) {
      return {
        throttleMs: reader.int32(),
        brokers: reader.array(() => {
          const nodeId = reader.int32(), host = reader.string(), port = reader.int32(), rack = reader.nullableString();
          reader.tags();
          return { nodeId, host, port, rack };
        }),
        clusterId: reader.nullableString(),
        topics: (reader.int32(), // the controller
          reader.array(() => {
            const errorCode = reader.int16(), topic = reader.string();
            const id = version >= 10 ? reader.uuid() : null, internal = reader.boolean();
            const partitions = reader.array(() => {
              const errorCode = reader.int16(), partition = reader.int32(), leader = reader.int32();
              if (version >= 7) reader.int32(); // leader epoch
              reader.array(() => reader.int32()); // replicas
              reader.array(() => reader.int32()); // in-sync replicas
              if (version >= 5) reader.array(() => reader.int32()); // offline replicas
              reader.tags();
              return { errorCode, partition, leader };
            });
            const rights = version >= 8 ? knownRights(reader.int32()) : undefined;
            reader.tags();
            return { errorCode, topic, id, internal, partitions, rights };
          })),
      };
    },
  };
}

function knownRights(rights: number): number | undefined {
  return rights === UNKNOWN_RIGHTS ? undefined : rights;
}
