/** Ranges of a Kafka source, read whole: what tests of them need. */
import { kafkaSource } from "../../src/source/kafka.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import type { PlannedSplit, RangeRequest } from "../../src/records/range.ts";
import type { RangeSource } from "../../src/source/range_source.ts";
import type { PollLimit, RecordBatch } from "../../src/records/record_batch.ts";
import type { SourceContext } from "../../src/source/source.ts";
import type { SplitId } from "../../src/records/position.ts";
import { defaultConfig } from "./default_config.ts";
import { testRuntime } from "./stored_object.ts";
import { textsOf } from "./batch_texts.ts";
import { HANG_MS } from "./until.ts";

export const WHOLE: RangeRequest = { from: null, to: null, resume: new Map(), historical: false };
export const LIMIT: PollLimit = { maxBytes: 1 << 20, maxRows: 1000 };

/** A source of ranges of topic events, or as the fields say. */
export function rangesOf(fields: Partial<KafkaConfig>, context: Partial<SourceContext> = {}): RangeSource {
  return kafkaSource.ranges!(rangeConfig(fields), rangeContext(context));
}

export function rangeConfig(fields: Partial<KafkaConfig>): KafkaConfig {
  return defaultConfig(kafkaSource.options, {
    topic: "events",
    groupId: "readers",
    fetchMaxWaitMs: 20,
    requestTimeoutMs: 10_000,
    ...fields,
  });
}

export function rangeContext(context: Partial<SourceContext> = {}): SourceContext {
  const wants = { keys: false, headers: false };
  return { runtime: testRuntime(), wants, maxRecordByteLength: 64 << 20, ...context };
}

/** All of a split that was begun; checks that the batches follow each other from its start to its end. */
export async function readToEnd(
  source: RangeSource,
  { split, start, end }: PlannedSplit,
  limit: PollLimit = LIMIT,
  signal: AbortSignal = AbortSignal.timeout(HANG_MS),
): Promise<{ values: string[]; batches: RecordBatch[] }> {
  const batches: RecordBatch[] = [];
  for (let position = start;;) {
    const batch = await source.read(split, limit, signal);
    if (batch === "end") {
      if (position !== end) throw new Error(`${split} ended at ${position}, it should end at ${end}`);
      return { values: batches.flatMap(textsOf), batches };
    }
    if (batch.split !== split) throw new Error(`a batch of ${batch.split} came, asked for ${split}`);
    if (batch.start !== position) throw new Error(`${split} goes on at ${batch.start}, it should at ${position}`);
    if (batch.epoch !== 1n) throw new Error(`epoch ${batch.epoch}`);
    position = batch.next;
    batches.push(batch);
  }
}

/** Plans, opens and reads everything, split after split. */
export async function readRange(
  source: RangeSource,
  request: Partial<RangeRequest> = {},
  limit: PollLimit = LIMIT,
): Promise<{ bySplit: Record<SplitId, string[]>; missing: readonly string[]; splits: readonly PlannedSplit[] }> {
  const signal = AbortSignal.timeout(HANG_MS);
  const { splits, missing } = await source.plan({ ...WHOLE, ...request }, signal);
  const bySplit: Record<SplitId, string[]> = {};
  await source.open(splits, signal);
  for (const planned of splits) {
    source.begin(planned, planned.start);
    bySplit[planned.split] = (await readToEnd(source, planned, limit, signal)).values;
  }
  return { bySplit, missing, splits };
}
