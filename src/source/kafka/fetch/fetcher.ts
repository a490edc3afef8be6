/**
 * Keeps each partition's buffer filled: one request at a time to each broker, for all of its partitions whose buffers
 * have room. What is buffered is bounded by `prefetchMaxByteLength`, shared equally among the brokers.
 */
import { failing, working } from "../../../runtime/outage.ts";
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import { release } from "../../../runtime/release.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { KafkaClient } from "../network/client.ts";
import type { Partition } from "./partition.ts";
import { ErrorCode, errorName, isPassing } from "../protocol/errors.ts";
import {
  type FetchAnswer,
  type FetchedPartition,
  fetchRequest,
  type IsolationLevel,
  READ_COMMITTED,
} from "../protocol/fetch.ts";
import { ChunkReader, CorruptBatchError, type Measured, measureRecords } from "../records/chunk_reader.ts";
import type { TopicWatch } from "./topic_watch.ts";

export interface FetchSettings {
  readonly isolation: IsolationLevel;
  readonly rack: string;
  readonly minByteLength: number;
  readonly maxWaitMs: number;
  readonly maxByteLength: number;
  readonly partitionMaxByteLength: number;
  readonly prefetchMaxByteLength: number;
  readonly requestTimeoutMs: number;
  /** How long a replica is read without asking the leader whether it still is a good one. */
  readonly replicaMaxAgeMs: number;
}

export interface FetcherEvents {
  /** There is something to take over. */
  arrived(): void;
  /** The offset isn't in the log any more, or not yet. */
  outOfRange(partition: Partition): void;
  /** The log isn't the one that was read up to the position: they part at `offset`, which lies before it. */
  diverged(partition: Partition, offset: number): void;
  /** The process must end. */
  failed(error: unknown): void;
  /** The broker says that the log reaches to `end`, and sent nothing of it. Absent when there is nothing to do then. */
  empty?(partition: Partition, end: number): void;
}

/** With other partitions' buffers full, a request mustn't wait for the idle ones: the full ones would run dry. */
const BUSY_WAIT_MS = 10;
const BACKOFF_MS = 100;
const OF_PARTITION = "kafka fetch of a partition";
const MAX_BACKOFF_MS = 5000;
/** Transactions are open for a moment; this long is worth a word. */
const OPEN_TRANSACTION_MS = 5000;
/** The most bytes that a request can ask for. */
const MAX_INT32 = 2 ** 31 - 1;
/** Smaller requests than this aren't worth the trip. */
const LEAST_REQUEST_BYTE_LENGTH = 64 << 10;

export class Fetcher {
  readonly #client: KafkaClient;
  readonly #topics: TopicWatch;
  readonly #settings: FetchSettings;
  readonly #events: FetcherEvents;
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal;
  readonly #partitions = new Set<Partition>();
  /** Brokers with a request under way. */
  readonly #busy = new Set<number>();
  /** Consecutive failures of brokers, and when to try again (monotonic ms). */
  readonly #brokers = new Map<number, { failures: number; retryAtMs: number }>();
  /** Requests begin with another partition each time. */
  #turn = 0;
  #wakeAtMs = Infinity;

  constructor(
    parts: { client: KafkaClient; topics: TopicWatch; events: FetcherEvents; runtime: Runtime },
    settings: FetchSettings,
    signal: AbortSignal,
  ) {
    this.#client = parts.client;
    this.#topics = parts.topics;
    this.#events = parts.events;
    this.#runtime = parts.runtime;
    this.#settings = settings;
    this.#signal = signal;
  }

  add(partition: Partition): void {
    this.#partitions.add(partition);
    this.pump();
  }

  remove(partition: Partition): void {
    this.#partitions.delete(partition);
    partition.rewind();
  }

  /** Bytes fetched and not taken over. */
  get bufferedByteLength(): number {
    let total = 0;
    for (const { bufferedByteLength } of this.#partitions) total += bufferedByteLength;
    return total;
  }

  /** Starts every request that may start. To be called whenever something made room. */
  pump(): void {
    if (this.#signal.aborted) return;
    const nowMs = this.#runtime.clock.monotonicMs();
    const byBroker = new Map<number, { open: Partition[]; full: boolean; bufferedByteLength: number }>();
    for (const partition of this.#partitions) {
      if (!partition.ready) continue;
      if (partition.preferredUntilMs <= nowMs) partition.preferredReplica = -1;
      const broker = this.#brokerOf(partition);
      let group = byBroker.get(broker);
      if (group === undefined) byBroker.set(broker, group = { open: [], full: false, bufferedByteLength: 0 });
      group.bufferedByteLength += partition.bufferedByteLength;
      if (partition.paused || partition.fetching || partition.skipTo >= 0) continue;
      if (partition.fetchOffset >= partition.end) continue;
      if (partition.retryAtMs > nowMs) this.#wakeAt(partition.retryAtMs);
      else if (partition.bufferedByteLength >= this.#settings.partitionMaxByteLength) group.full = true;
      else group.open.push(partition);
    }
    const share = this.#settings.prefetchMaxByteLength / Math.max(1, byBroker.size);
    for (const [broker, { open, full, bufferedByteLength }] of byBroker) {
      if (open.length === 0 || this.#busy.has(broker)) continue;
      if (broker < 0) {
        this.#leaderless(open, nowMs);
        continue;
      }
      const retryAtMs = this.#brokers.get(broker)?.retryAtMs ?? 0;
      const room = Math.min(this.#settings.maxByteLength, Math.floor(share - bufferedByteLength));
      if (retryAtMs > nowMs) this.#wakeAt(retryAtMs);
      else if (bufferedByteLength === 0 || room >= Math.min(LEAST_REQUEST_BYTE_LENGTH, share / 2)) {
        void this.#fetch(broker, open, { maxByteLength: Math.max(1, room), full });
      }
    }
  }

  #brokerOf({ topic, partition, preferredReplica }: Partition): number {
    return preferredReplica >= 0 ? preferredReplica : this.#topics.leaderOf(topic, partition);
  }

  #leaderless(partitions: readonly Partition[], nowMs: number): void {
    for (const partition of partitions) {
      this.#warnOnce(partition, "it has no leader");
      this.#backOff(partition, nowMs);
    }
    void this.#refresh();
  }

  /** A leader that moves costs one or two tries: nobody needs to know. */
  #warnOnce({ split, failures }: Partition, reason: string): void {
    if (failures >= 2) failing(this.#runtime, OF_PARTITION, { fields: { split, reason } });
  }

  /** Never rejects. */
  async #refresh(): Promise<void> {
    try {
      await this.#topics.refresh(this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      if (error instanceof RetriableError) {
        failing(this.#runtime, "kafka metadata", { error });
      } else this.#events.failed(error);
    }
    this.pump();
  }

  #wakeAt(atMs: number): void {
    if (this.#wakeAtMs <= atMs) return;
    this.#wakeAtMs = atMs;
    const waitMs = Math.max(1, atMs - this.#runtime.clock.monotonicMs());
    this.#runtime.clock.sleep(waitMs, this.#signal).then(() => {
      if (this.#wakeAtMs === atMs) this.#wakeAtMs = Infinity;
      this.pump();
    }, () => {});
  }

  #backOff(partition: Partition, nowMs: number): void {
    const pauseMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(partition.failures++, 10));
    partition.retryAtMs = nowMs + pauseMs * (0.5 + this.#runtime.random.next() / 2);
    this.#wakeAt(partition.retryAtMs);
  }

  /** Never rejects. */
  async #fetch(broker: number, open: readonly Partition[], { maxByteLength, full }: {
    maxByteLength: number;
    full: boolean;
  }): Promise<void> {
    const { maxWaitMs, minByteLength, isolation, rack, partitionMaxByteLength, requestTimeoutMs } = this.#settings;
    const first = this.#turn++ % open.length;
    // Whoever waits for a large batch comes first: only the first partition gets more than the limits.
    const turned = [...open.slice(first), ...open.slice(0, first)]
      .sort((a, b) => Number(b.neededByteLength > 0) - Number(a.neededByteLength > 0));
    this.#busy.add(broker);
    for (const partition of turned) {
      partition.fetching = true;
      partition.askedOffset = partition.fetchOffset;
    }
    try {
      const request = fetchRequest(
        turned.map((one) => ({
          topic: one.topic,
          partition: one.partition,
          topicId: one.topicId,
          offset: BigInt(one.askedOffset),
          lastEpoch: one.leaderEpochs.before(one.askedOffset),
          maxByteLength: Math.max(partitionMaxByteLength, one.neededByteLength),
        })),
        {
          isolation,
          rack,
          minByteLength,
          maxByteLength,
          maxWaitMs: full ? Math.min(BUSY_WAIT_MS, maxWaitMs) : maxWaitMs,
        },
      );
      const options = { signal: this.#signal, timeoutMs: requestTimeoutMs + maxWaitMs };
      const answer = await this.#client.send(broker, "fetch", request, options);
      this.#brokers.delete(broker);
      working(this.#runtime, this.#fetching(broker));
      this.#take(answer, turned);
    } catch (error) {
      await this.#failed(broker, error);
    } finally {
      this.#busy.delete(broker);
      for (const partition of turned) partition.fetching = false;
    }
    this.pump();
  }

  /** For the log. */
  #fetching(broker: number): string {
    return `kafka fetch from ${this.#client.nameOf(broker)}`;
  }

  async #failed(broker: number, error: unknown): Promise<void> {
    if (this.#signal.aborted) return;
    if (!(error instanceof RetriableError)) return this.#events.failed(error);
    const failures = (this.#brokers.get(broker)?.failures ?? 0) + 1;
    const pauseMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(failures, 10));
    const retryAtMs = this.#runtime.clock.monotonicMs() + pauseMs * (0.5 + this.#runtime.random.next() / 2);
    this.#brokers.set(broker, { failures, retryAtMs });
    for (const partition of this.#partitions) {
      if (partition.preferredReplica === broker) partition.preferredReplica = -1;
    }
    failing(this.#runtime, this.#fetching(broker), { error });
    await this.#refresh();
  }

  #take({ errorCode, partitions }: FetchAnswer, asked: readonly Partition[]): void {
    if (errorCode !== ErrorCode.NONE) throw new RetriableError(`Fetch failed: ${errorName(errorCode)}`);
    const byName = new Map(asked.map((one) => [one.split, one]));
    const total = partitions.reduce((sum, { records }) => sum + records.length, 0);
    let arrived = false, kept = false;
    for (const fetched of partitions) {
      const partition = byName.get(`${fetched.topic}/${fetched.partition}`);
      // Given up while the request was under way.
      if (partition === undefined || !this.#partitions.has(partition)) continue;
      // Rewound meanwhile: what lies between isn't in the answer.
      if (partition.askedOffset !== partition.fetchOffset) continue;
      const taken = this.#takeOne(fetched, partition, total);
      arrived ||= taken !== null;
      kept ||= taken === fetched.records;
    }
    // All records lie in the answer's buffer.
    if (!kept && partitions.length > 0) release(partitions[0].records);
    this.#runtime.metrics.count("kafka_fetched_bytes_total", total);
    if (arrived) this.#events.arrived();
  }

  /** @returns the records that the partition has got: those of the answer itself, or a copy. Null when there are none. */
  #takeOne(fetched: FetchedPartition, partition: Partition, totalByteLength: number): Uint8Array | null {
    if (fetched.errorCode !== ErrorCode.NONE) {
      this.#refused(fetched.errorCode, partition);
      return null;
    }
    if (partition.failures >= 2) working(this.#runtime, OF_PARTITION);
    partition.failures = 0;
    partition.highWatermark = Number(fetched.highWatermark);
    if (fetched.preferredReplica >= 0) {
      partition.preferredReplica = fetched.preferredReplica;
      partition.preferredUntilMs = this.#runtime.clock.monotonicMs() + this.#settings.replicaMaxAgeMs;
      return null;
    }
    const { records, diverging } = fetched;
    if (diverging !== null) {
      this.#part(partition, Number(diverging.endOffset), diverging.epoch);
      return null;
    }
    partition.partedAt = -1;
    this.#watchTransactions(fetched, partition);
    if (records.length === 0) {
      const { highWatermark, lastStableOffset } = fetched;
      const end = this.#settings.isolation === READ_COMMITTED ? lastStableOffset : highWatermark;
      this.#events.empty?.(partition, Number(end));
      return null;
    }
    const measured = this.#measure(fetched, partition);
    if (measured === null) return null;
    const { next, byteLength, neededByteLength, leaderEpoch } = measured;
    if (next === partition.fetchOffset) {
      const more = Math.max(neededByteLength, 2 * partition.neededByteLength);
      partition.neededByteLength = Math.min(more, MAX_INT32);
      return null;
    }
    partition.neededByteLength = 0;
    // A small part would keep the whole answer in memory, and two would share it.
    const own = byteLength <= totalByteLength / 2 ? records.slice(0, byteLength) : records;
    const reader = new ChunkReader(
      own.subarray(0, byteLength),
      partition.fetchOffset,
      fetched.aborted,
      partition.end,
    );
    partition.leaderEpochs.note(partition.fetchOffset, leaderEpoch);
    partition.add({ reader, byteLength: own.length, next });
    return own;
  }

  /** A producer that died in a transaction holds everybody back until it times out, which may be never. */
  #watchTransactions({ records, highWatermark, lastStableOffset }: FetchedPartition, partition: Partition): void {
    const isHeldBack = records.length === 0 && this.#settings.isolation === READ_COMMITTED && lastStableOffset >= 0n &&
      lastStableOffset < highWatermark;
    if (!isHeldBack) return void (partition.heldBack = null);
    const nowMs = this.#runtime.clock.monotonicMs(), held = partition.heldBack ??= { sinceMs: nowMs, told: false };
    if (held.told || nowMs - held.sinceMs < OPEN_TRANSACTION_MS) return;
    held.told = true;
    this.#runtime.log.warn(
      "an open transaction holds the partition back: kafka-transactions.sh find-hanging names it, and abort ends it",
      { split: partition.split, offset: Number(lastStableOffset), records: Number(highWatermark - lastStableOffset) },
    );
  }

  /**
   * What was fetched from `offset` on isn't in the log any more, whose records before it are of `epoch`. A follower that is
   * behind, and a leader of an earlier time, say the same: it counts when the leader of now says it again.
   */
  #part(partition: Partition, offset: number, epoch: number): void {
    const { leaderEpochs, preferredReplica, partedAt } = partition;
    partition.preferredReplica = -1;
    partition.partedAt = preferredReplica < 0 ? offset : -1;
    if (partition.partedAt < 0 || partedAt !== offset) {
      this.#backOff(partition, this.#runtime.clock.monotonicMs());
      return void this.#refresh();
    }
    leaderEpochs.cut(offset);
    leaderEpochs.note(offset - 1, epoch);
    if (partition.position > offset) return this.#events.diverged(partition, offset);
    if (partition.fetchOffset > offset) partition.rewind();
  }

  /** Null when the first batch is damaged: it is asked for again, and the second time is final. */
  #measure({ records, highWatermark }: FetchedPartition, partition: Partition): Measured | null {
    try {
      return measureRecords(records, partition.fetchOffset, highWatermark < 0n ? Infinity : Number(highWatermark));
    } catch (error) {
      if (!(error instanceof CorruptBatchError)) throw error;
      if (partition.corruptAt === error.offset) {
        const text = `Partition ${partition.split} can't be read on: ${error.message}`;
        this.#events.failed(new FatalError(text, { cause: error }));
      } else if (!error.mayPass) this.#warnOnce(partition, error.message);
      partition.corruptAt = error.offset;
      return null;
    }
  }

  #refused(errorCode: number, partition: Partition): void {
    const { split, topic } = partition;
    switch (errorCode) {
      case ErrorCode.OFFSET_OUT_OF_RANGE:
        if (partition.preferredReplica >= 0) partition.preferredReplica = -1; // the follower may just be behind
        else this.#events.outOfRange(partition);
        return;
      case ErrorCode.TOPIC_AUTHORIZATION_FAILED:
        return this.#events.failed(new FatalError(`Not allowed to read topic ${topic}: its READ right is missing`));
      case ErrorCode.UNSUPPORTED_COMPRESSION_TYPE:
        return this.#events.failed(
          new FatalError(`Partition ${split} is compressed with zstd, which needs newer brokers`),
        );
    }
    if (!isPassing(errorCode)) {
      return this.#events.failed(new FatalError(`Cannot read partition ${split}: ${errorName(errorCode)}`));
    }
    partition.preferredReplica = -1;
    this.#warnOnce(partition, errorName(errorCode));
    this.#backOff(partition, this.#runtime.clock.monotonicMs());
    void this.#refresh();
  }
}
