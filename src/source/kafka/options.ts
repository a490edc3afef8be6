/** The keys of the Kafka source, with the names and defaults that deployments already use. */

import { type ConfigOf, option } from "../../config/option.ts";

function checkNode(node: string): void {
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(node);
  const port = Number(match?.[1] ?? 1);
  if (match === null || port < 1 || port > 65535) {
    throw new RangeError(`"${node}" is no broker: write host or host:port, without a protocol`);
  }
}

export const kafkaOptions = {
  nodes: option.list("kafka.nodes", {
    required: true,
    check: checkNode,
    doc: "Brokers to ask for the cluster, each host or host:port. The default port is 9092.",
  }),
  topic: option.string("kafka.topic", {
    required: true,
    doc:
      "The topic to read: a name, several names separated by commas, or a regular expression that whole names match.",
  }),
  offset: option.enumeration("kafka.offset", ["earliest", "latest"], {
    default: "latest",
    doc: "Where a group that has committed nothing yet starts in a partition.",
  }),
  groupId: option.string("kafka.group.id", {
    default: "presto_streaming",
    doc: "The consumer group. Collectors of the same group share the partitions.",
  }),
  sessionTimeoutMs: option.integer("kafka.session.timeout.ms", {
    default: "12000",
    min: 1000,
    max: 3_600_000,
    doc: "A member that isn't heard of for this many milliseconds loses its partitions. Heartbeats go every second.",
  }),
  requestTimeoutMs: option.integer("kafka.request.timeout.ms", {
    default: "15000",
    min: 100,
    max: 3_600_000,
    doc: "Milliseconds that a broker has for an answer.",
  }),
  maxPollRecords: option.integer("max.poll.records", {
    default: "300000",
    min: 1,
    doc: "The most records to take over at once.",
  }),
  historicalTopic: option.string("kafka.historical-data-topic", {
    whenUnset: "all records are treated alike",
    doc: "The topic to which records go whose event day is out of date (outdated.day.index).",
  }),
  historicalWorker: option.boolean("historical.worker", {
    default: "false",
    doc: "Read kafka.historical-data-topic too.",
  }),
  outdatedDayIndex: option.integer("outdated.day.index", {
    default: "1",
    max: 36_500,
    doc: "A record is out of date when its event day (UTC) is before today minus this many days, or after today.",
  }),
  historicalMaxFlushDurationMs: option.duration("historical.max-flush-duration", {
    default: "30m",
    min: 1,
    doc: "Historical records wait at most this long to be written.",
  }),
  historicalMaxFlushRecords: option.integer("historical.max-flush-records", {
    default: "500000",
    min: 1,
    doc: "Historical records are also written after this many.",
  }),
} as const;

export type KafkaConfig = ConfigOf<typeof kafkaOptions>;
