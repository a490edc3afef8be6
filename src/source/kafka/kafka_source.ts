import { failing, working } from "../../runtime/outage.ts";
import { FatalError, InvariantError, RetriableError, SplitLostError } from "../../runtime/errors.ts";
import { Condition } from "../../runtime/condition.ts";
import { withAbort, withEitherSignal } from "../../runtime/abort.ts";
import { retry, type RetryPolicy } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Diversion, DivertedRecords } from "../../records/diversion.ts";
import type { Epoch, Position, SplitId } from "../../records/position.ts";
import type { PollLimit, RecordBatch } from "../../records/record_batch.ts";
import type { Source, SourceContext, SourceHandler } from "../source.ts";
import type { KafkaClient } from "./network/client.ts";
import { Committer } from "./group/committer.ts";
import { Coordinator } from "./group/coordinator.ts";
import { fetchSettingsOf, isolationOf } from "./fetch/fetch_settings.ts";
import { Fetcher } from "./fetch/fetcher.ts";
import { GroupMember } from "./group/group_member.ts";
import { diversionOf, HistoricalSink, isInPart, selectionOf, type TopicPart } from "./historical.ts";
import type { KafkaConfig } from "./options.ts";
import { OutOfRange } from "./group/out_of_range.ts";
import { OwnedPartitions } from "./group/owned_partitions.ts";
import { Ownership } from "./group/ownership.ts";
import type { Partition } from "./fetch/partition.ts";
import { PartitionReader } from "./fetch/partition_reader.ts";
import type { TopicPartition } from "./protocol/topic_partition.ts";
import { TopicWatch } from "./fetch/topic_watch.ts";

/** For work that must succeed before anything can go on. */
const RETRY: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 5000, maxAttempts: Infinity };

/** Two members of a group can't have the same one. */
function instanceIdOf({ groupInstanceId }: KafkaConfig, part: TopicPart): string | null {
  if (groupInstanceId === undefined) return null;
  return part === "historical" ? `${groupInstanceId}-historical` : groupInstanceId;
}

/** Partitions of a consumer group, as splits "topic/partition" whose positions are offsets. */
export class KafkaSource implements Source {
  readonly #config: KafkaConfig;
  readonly #runtime: Runtime;
  readonly #client: KafkaClient;
  readonly #topics: TopicWatch;
  readonly #group: GroupMember;
  readonly #committer: Committer;
  readonly #fetcher: Fetcher;
  readonly #reader: PartitionReader;
  readonly #ownership: Ownership;
  readonly #historical: HistoricalSink | null;
  readonly diversion?: Diversion;
  readonly #partitions = new OwnedPartitions();
  readonly #closed = new AbortController();
  readonly #changed = new Condition();
  #failure: { readonly error: unknown } | null = null;
  #running: Promise<unknown> = Promise.resolve();

  /**
   * The client is the source's own: `close` closes it. Of the config's topics it reads one part; the sources of all parts
   * are members of the same group.
   */
  constructor(config: KafkaConfig, context: SourceContext, client: KafkaClient, part: TopicPart = "all") {
    const { runtime } = context, { signal } = this.#closed;
    this.#config = config;
    this.#runtime = runtime;
    this.#client = client;
    const coordinator = new Coordinator(client, config.groupId);
    const sendsOnTo = part === "historical" ? undefined : config.historicalTopic;
    const topics = new TopicWatch(client, selectionOf(config), runtime, {
      isOurs: (topic) => isInPart(topic, part, config),
      madeAnew: (topic) => void this.#ownership.beginAnew(topic),
    });
    const isolation = isolationOf(config);
    this.#topics = topics;
    const starts = { client, coordinator, topics, isolation, policy: config.offset, log: runtime.log };
    this.#ownership = new Ownership({
      ...{ partitions: this.#partitions, starts, signal, rebalanceTimeoutMs: config.rebalanceTimeoutMs },
      outOfRange: new OutOfRange(starts, config.outOfRange, runtime),
      fetcher: () => this.#fetcher,
      generation: () => this.#group.membership?.generation ?? 0,
      retry: (what, attempt, signal) => this.#retry(what, attempt, signal),
      changed: () => this.#changed.notify(),
      failed: (error) => this.#fail(error),
    });
    this.#group = new GroupMember({ coordinator, topics, listener: this.#ownership, runtime }, {
      sessionTimeoutMs: config.sessionTimeoutMs,
      rebalanceTimeoutMs: config.rebalanceTimeoutMs,
      requestTimeoutMs: config.requestTimeoutMs,
      instanceId: instanceIdOf(config, part),
      strategy: config.assignmentStrategy,
    });
    const epochOf = (partition: TopicPartition) => this.#partitions.epochOf(partition);
    const gone = (partition: TopicPartition) => {
      this.#ownership.drop(partition);
      topics.forget(partition.topic);
    };
    this.#committer = new Committer({ coordinator, group: this.#group, runtime, epochOf, gone }, signal);
    const events = {
      arrived: () => this.#changed.notify(),
      outOfRange: (partition: Partition) => void this.#ownership.recover(partition),
      diverged: (partition: Partition, offset: number) => void this.#ownership.goBack(partition, offset),
      failed: (error: unknown) => this.#fail(error),
    };
    this.#fetcher = new Fetcher({ client, topics, events, runtime }, fetchSettingsOf(config), signal);
    this.#reader = new PartitionReader({
      runtime,
      // What is sent on keeps its key and headers.
      wants: sendsOnTo === undefined ? context.wants : { keys: true, headers: true },
      maxRecordByteLength: context.maxRecordByteLength,
      maxRows: config.maxPollRecords,
      whenLost: "stop all collectors and set the group's offset behind it (kafka-consumer-groups.sh --reset-offsets)",
    });
    if (sendsOnTo !== undefined) this.diversion = diversionOf(config);
    this.#historical = sendsOnTo === undefined
      ? null
      : new HistoricalSink(client, sendsOnTo, { runtime, timeoutMs: config.requestTimeoutMs });
  }

  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    this.#ownership.handler = handler;
    await withEitherSignal(
      [signal, this.#closed.signal],
      (either) => this.#retry("kafka metadata", () => this.#topics.refresh(either), either),
    );
    this.#running = Promise.all([
      this.#supervise(this.#group.run(this.#closed.signal)),
      this.#supervise(this.#watchTopics()),
    ]);
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    while (true) {
      signal.throwIfAborted();
      if (this.#failure !== null) throw this.#failure.error;
      const partition = this.#partitions.next();
      if (partition === undefined) {
        await this.#changed.wait(signal);
        continue;
      }
      const batch = this.#read(partition, limit);
      if (batch !== null) return batch;
    }
  }

  pause(splits: readonly SplitId[]): void {
    for (const split of splits) this.#setPaused(split, true);
  }

  resume(splits: readonly SplitId[]): void {
    for (const split of splits) this.#setPaused(split, false);
    this.#fetcher.pump();
    this.#changed.notify();
  }

  #setPaused(split: SplitId, paused: boolean): void {
    const partition = this.#partitions.get(split);
    if (partition !== undefined) partition.paused = paused;
  }

  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    const partition = this.#partitions.get(split);
    if (partition === undefined || partition.epoch !== epoch) {
      throw new SplitLostError(split, `${split} is no longer ours in epoch ${epoch}`);
    }
    const offset = Number(next);
    if (offset < partition.committed) {
      throw new InvariantError(`Commit of ${split} would go back from ${partition.committed} to ${next}`);
    }
    partition.committed = offset;
    await withAbort(this.#committer.commit(partition, epoch, BigInt(next)), signal);
  }

  async divert(records: DivertedRecords, signal: AbortSignal): Promise<void> {
    await this.#historical?.send(records, signal);
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new FatalError("the Kafka source is closed"));
    await this.#running;
    await this.#group.leave();
    this.#client.close();
    for (const partition of this.#partitions.all) this.#partitions.release(partition);
  }

  // Reading.

  #read(partition: Partition, limit: PollLimit): RecordBatch | null {
    const [chunk] = partition.chunks;
    const batch = this.#reader.read(partition, limit);
    // A batch that is half read goes first.
    this.#partitions.keepTurn(chunk !== undefined && partition.chunks[0] === chunk ? partition : null);
    this.#fetcher.pump();
    if (batch !== null) this.#measureLag();
    return batch;
  }

  #measureLag(): void {
    let lag = 0;
    for (const { highWatermark, position } of this.#partitions.all) lag += Math.max(0, highWatermark - position);
    this.#runtime.metrics.gauge("kafka_lag_records", lag);
    this.#runtime.metrics.gauge("kafka_prefetched_bytes", this.#fetcher.bufferedByteLength);
  }

  // In the background.

  async #watchTopics(): Promise<void> {
    const { signal } = this.#closed;
    while (true) {
      await this.#runtime.clock.sleep(this.#config.metadataMaxAgeMs, signal);
      try {
        await this.#topics.refresh(signal);
        working(this.#runtime, "kafka metadata");
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error;
        failing(this.#runtime, "kafka metadata", { error });
      }
      this.#group.topicsChanged();
      this.#fetcher.pump();
    }
  }

  async #supervise(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.#closed.signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#changed.notify();
  }

  #retry<T>(what: string, attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return retry(what, attempt, { policy: RETRY, runtime: this.#runtime, signal });
  }
}
