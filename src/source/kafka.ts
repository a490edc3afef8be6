/** The source `kafka`: topics of Apache Kafka, read as a member of a consumer group. */
import { checkKafka } from "./kafka/check.ts";
import { connectKafka } from "./kafka/network/connect.ts";
import { KafkaRanges } from "./kafka/ranges/kafka_ranges.ts";
import { KafkaSource } from "./kafka/kafka_source.ts";
import type { TopicPart } from "./kafka/historical.ts";
import { type KafkaConfig, kafkaConfigProblems, kafkaOptions } from "./kafka/options.ts";
import { liveOffsets } from "./kafka/group/published_offsets.ts";
import type { SourceComponent, SourceContext, SourcePart } from "./source.ts";

/** With historical.worker, what is read from the historical topic is flushed by limits of its own. */
function kafkaParts(config: KafkaConfig): readonly SourcePart[] | null {
  if (!config.historicalWorker) return null;
  const part = (topics: TopicPart) => (context: SourceContext) =>
    new KafkaSource(config, context, connectKafka(config, context.runtime), topics);
  const { historicalMaxFlushDurationMs: maxAgeMs, historicalMaxFlushRecords: maxRecords } = config;
  return [
    { name: "live", create: part("live") },
    { name: "historical", flush: { maxAgeMs, maxRecords }, create: part("historical") },
  ];
}

export const kafkaSource: SourceComponent<KafkaConfig> = {
  doc: "Reads topics of Apache Kafka as a member of a consumer group, whose committed offsets are the checkpoints.",
  options: kafkaOptions,
  validate: kafkaConfigProblems,
  create: (config, context) => new KafkaSource(config, context, connectKafka(config, context.runtime)),
  parts: kafkaParts,
  ranges: (config, context) => new KafkaRanges(config, context, connectKafka(config, context.runtime)),
  async committed(config, { runtime }, signal) {
    const client = connectKafka(config, runtime);
    try {
      return await liveOffsets(config, client, { runtime, signal });
    } finally {
      client.close();
    }
  },
  check: (config, context, signal) => checkKafka(config, context, signal),
};
