/** Records whose event day is out of date: where they go, and how they look there. */
import type { Runtime } from "../../runtime/runtime.ts";
import type { BytesColumn } from "../../records/record_batch.ts";
import type { Diversion, DivertedRecords } from "../../records/diversion.ts";
import type { KafkaClient } from "./network/client.ts";
import type { KafkaConfig } from "./options.ts";
import { TopicProducer } from "./producer.ts";
import type { RecordToWrite } from "./records/record_batch_writer.ts";
import { parseTopics, type TopicSelection } from "./fetch/topics.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The topics to read: those of kafka.topic, and the historical one exactly when this is a historical worker, whatever a
 * pattern says: else what is sent there would come back at once.
 */
export function selectionOf(config: KafkaConfig): TopicSelection {
  const selection = parseTopics(config.topic), { historicalTopic } = config;
  if (historicalTopic === undefined) return selection;
  if (selection.kind === "names") {
    const others = selection.names.filter((name) => name !== historicalTopic);
    return { kind: "names", names: config.historicalWorker ? [...others, historicalTopic] : others };
  }
  return config.historicalWorker ? { ...selection, also: historicalTopic } : { ...selection, except: historicalTopic };
}

/** Which of these topics a source reads. */
export type TopicPart = "all" | "live" | "historical";

export function isInPart(topic: string, part: TopicPart, { historicalTopic }: KafkaConfig): boolean {
  return part === "all" || (topic === historicalTopic) === (part === "historical");
}

/** Undefined when all records are treated alike. */
export function diversionOf({ historicalTopic, outdatedDayIndex }: KafkaConfig): Diversion | undefined {
  return historicalTopic === undefined ? undefined : { outdatedDayIndex, exemptParent: historicalTopic };
}

function bytesAt({ bytes, offsets, nulls }: BytesColumn, row: number): Uint8Array | null {
  if (nulls !== null && (nulls[row >> 3] & (1 << (row & 7))) !== 0) return null;
  return bytes.subarray(offsets[row], offsets[row + 1]);
}

/** The inverse of `readHeaders`. */
export function parseHeaders(text: Uint8Array | null): RecordToWrite["headers"] {
  if (text === null) return [];
  // Not an object: a name may come several times.
  const headers: { key: string; value: Uint8Array | null }[] = [];
  // Loops within the loops: as alternatives, each letter would take room on the stack.
  const members = /("[^"\\]*(?:\\.[^"\\]*)*"):(null|"[^"\\]*(?:\\.[^"\\]*)*"|\{"base64":"([^"]*)"\})/g;
  for (const [, key, value, base64] of decoder.decode(text).matchAll(members)) {
    headers.push({
      key: JSON.parse(key) as string,
      value: value === "null"
        ? null
        : base64 === undefined
        ? encoder.encode(JSON.parse(value) as string)
        : Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)),
    });
  }
  return headers;
}

/** Sends diverted records on as they came: value, key, headers and time. */
export class HistoricalSink {
  readonly #producer: TopicProducer;
  readonly #runtime: Runtime;

  constructor(client: KafkaClient, topic: string, options: { runtime: Runtime; timeoutMs: number }) {
    this.#producer = new TopicProducer(client, topic, options);
    this.#runtime = options.runtime;
  }

  /** Resolves when all are stored. Errors as TopicProducer's. */
  async send(records: DivertedRecords, signal: AbortSignal): Promise<void> {
    const nowMs = this.#runtime.clock.now();
    const list = Array.from({ length: records.rowCount }, (_, row): RecordToWrite => {
      const timestamp = records.timestamps[row];
      return {
        key: bytesAt(records.keys, row),
        value: bytesAt(records.values, row),
        headers: parseHeaders(bytesAt(records.headers, row)),
        timestamp: Number.isFinite(timestamp) ? timestamp : nowMs,
      };
    });
    await this.#producer.produce(list, signal);
    this.#runtime.metrics.count("kafka_historical_records_total", records.rowCount);
  }
}
