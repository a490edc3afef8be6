import { FatalError, RetriableError } from "../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { KafkaClient } from "./network/client.ts";
import { ErrorCode, errorName, isPassing } from "./protocol/errors.ts";
import { produceRequest } from "./protocol/produce.ts";
import { type RecordToWrite, writeRecordBatch } from "./records/record_batch_writer.ts";
import { TopicWatch } from "./fetch/topic_watch.ts";

const RETRY: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 5000, maxAttempts: Infinity };
/** Well below the brokers' usual message.max.bytes of 1 MB, unless one record alone is larger. */
const BATCH_BYTE_LENGTH = 512 << 10;

/** FNV-1a: the same key goes to the same partition, for as long as the topic has as many. */
function hash(key: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of key) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

/** At least as much as it will have, but for letters of headers' names outside ASCII. */
function byteLengthOf({ key, value, headers }: RecordToWrite): number {
  const headersByteLength = headers.reduce((sum, one) => sum + 10 + one.key.length + (one.value?.length ?? 0), 0);
  return 32 + (key?.length ?? 0) + (value?.length ?? 0) + headersByteLength;
}

/** Appends records to one topic with acks=all; a retry may append twice what the broker took without saying so. */
export class TopicProducer {
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #topics: TopicWatch;
  readonly #runtime: Runtime;
  readonly #timeoutMs: number;
  #next = 0;

  constructor(client: KafkaClient, topic: string, { runtime, timeoutMs }: { runtime: Runtime; timeoutMs: number }) {
    this.#client = client;
    this.#topic = topic;
    this.#topics = new TopicWatch(client, { kind: "names", names: [topic] }, runtime);
    this.#runtime = runtime;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves when every record is stored on all replicas in sync. Keys decide about partitions; records without one go
   * in turn, batch by batch.
   *
   * @throws FatalError when the topic may not be written, or a record is too large for it; the signal's reason.
   */
  async produce(records: readonly RecordToWrite[], signal: AbortSignal): Promise<void> {
    if (records.length === 0) return;
    const options = { policy: RETRY, runtime: this.#runtime, signal };
    if (this.#topics.partitionsOf(this.#topic).length === 0) {
      await retry("kafka produce metadata", () => this.#load(signal), options);
    }
    for (const [partition, batches] of this.#spread(records)) {
      for (const batch of batches) await this.#append(partition, batch, options);
    }
    this.#runtime.metrics.count("kafka_produced_records_total", records.length);
  }

  async #load(signal: AbortSignal): Promise<void> {
    await this.#topics.refresh(signal);
    if (this.#topics.partitionsOf(this.#topic).length > 0) return;
    throw new RetriableError(`Topic ${this.#topic} doesn't exist, records can't be sent there: create it`);
  }

  /** By partition, in batches of a good size, in the order given. */
  #spread(records: readonly RecordToWrite[]): Map<number, RecordToWrite[][]> {
    const partitions = this.#topics.partitionsOf(this.#topic);
    const turn = partitions[this.#next++ % partitions.length];
    const spread = new Map<number, RecordToWrite[][]>();
    const room = new Map<number, number>();
    for (const record of records) {
      const partition = record.key === null ? turn : partitions[hash(record.key) % partitions.length];
      const left = (room.get(partition) ?? 0) - byteLengthOf(record);
      let batches = spread.get(partition);
      if (batches === undefined) spread.set(partition, batches = []);
      if (batches.length === 0 || left < 0) {
        batches.push([record]);
        room.set(partition, BATCH_BYTE_LENGTH - byteLengthOf(record));
      } else {
        batches.at(-1)!.push(record);
        room.set(partition, left);
      }
    }
    return spread;
  }

  /** As one batch; in two halves when the topic takes none as large as that. */
  async #append(
    partition: number,
    records: readonly RecordToWrite[],
    options: { policy: RetryPolicy; runtime: Runtime; signal: AbortSignal },
  ): Promise<void> {
    const bytes = writeRecordBatch({ records });
    const fits = await retry("kafka produce", () => this.#send(partition, bytes, options.signal), options);
    if (fits) return;
    if (records.length === 1) {
      throw new FatalError(
        `A record of ${bytes.length} bytes can't be sent to topic ${this.#topic}: MESSAGE_TOO_LARGE, it is larger than ` +
          `its max.message.bytes`,
      );
    }
    const half = records.length >> 1;
    await this.#append(partition, records.slice(0, half), options);
    await this.#append(partition, records.slice(half), options);
  }

  /** @returns false when the batch is too large. */
  async #send(partition: number, records: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const topic = this.#topic, leader = this.#topics.leaderOf(topic, partition);
    const request = produceRequest([{ topic, partition, records }], this.#timeoutMs);
    let errorCode: number;
    try {
      if (leader < 0) throw new RetriableError(`Partition ${topic}/${partition} has no leader`);
      const { results } = await this.#client.send(leader, "produce", request, {
        signal,
        timeoutMs: 2 * this.#timeoutMs,
      });
      errorCode = results[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    } catch (error) {
      if (error instanceof RetriableError) await this.#topics.refresh(signal);
      throw error;
    }
    if (errorCode === ErrorCode.NONE) return true;
    if (errorCode === ErrorCode.MESSAGE_TOO_LARGE) return false;
    const text = `Records can't be sent to ${topic}/${partition}: ${errorName(errorCode)}`;
    if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) throw new FatalError(`${text}: its WRITE right is missing`);
    if (!isPassing(errorCode)) throw new FatalError(text);
    await this.#topics.refresh(signal);
    throw new RetriableError(text);
  }
}
