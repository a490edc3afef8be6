import { withEitherSignal } from "../../../runtime/abort.ts";
import { Condition } from "../../../runtime/condition.ts";
import { FatalError, InvariantError, MisuseError, RetriableError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import {
  MAX_RANGES_AT_ONCE,
  type PlannedSplit,
  RANGE_EPOCH,
  type RangePlan,
  type RangeRequest,
} from "../../../records/range.ts";
import type { RangeSource } from "../../range_source.ts";
import type { PollLimit, RecordBatch } from "../../../records/record_batch.ts";
import type { SourceContext } from "../../source.ts";
import type { Position, SplitId } from "../../../records/position.ts";
import type { KafkaClient } from "../network/client.ts";
import { Coordinator } from "../group/coordinator.ts";
import { fetchSettingsOf, isolationOf } from "../fetch/fetch_settings.ts";
import { Fetcher, type FetchSettings } from "../fetch/fetcher.ts";
import { selectionOf } from "../historical.ts";
import { type KafkaConfig, kafkaOptions } from "../options.ts";
import { Partition, partitionOf } from "../fetch/partition.ts";
import { PartitionReader } from "../fetch/partition_reader.ts";
import { publishedOffsets, publishOffsets } from "../group/published_offsets.ts";
import { planRange } from "./range_plan.ts";
import { logRange } from "../group/starts.ts";
import { isTailEmpty } from "./tail_gap.ts";
import { TopicWatch } from "../fetch/topic_watch.ts";
import type { TopicSelection } from "../fetch/topics.ts";

const RETRY: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 2000, maxAttempts: Infinity };

/** Before the same offset is asked for again, if it turns out to be there. */
const OUT_OF_RANGE_PAUSE_MS = 200;

/** What was begun: the partition, and what is found out about it meanwhile. */
interface Reading {
  readonly partition: Partition;
  readonly start: number;
  /** Thrown once what was fetched before is read. */
  failure: Error | null;
  /** Whether somebody finds out about its end, or its offsets. */
  asking: boolean;
}

/** Each partition has its own part of what may be fetched ahead, and an answer of one comes on top of it. */
function rangeSettings(config: KafkaConfig): FetchSettings {
  const settings = fetchSettingsOf(config);
  const share = Math.max(1, Math.floor(settings.prefetchMaxByteLength / (2 * MAX_RANGES_AT_ONCE)));
  return {
    ...settings,
    partitionMaxByteLength: Math.min(settings.partitionMaxByteLength, share),
    prefetchMaxByteLength: Infinity,
  };
}

/** Offsets of partitions, read without a group. */
export class KafkaRanges implements RangeSource {
  readonly #config: KafkaConfig;
  readonly #runtime: Runtime;
  readonly #client: KafkaClient;
  readonly #settings: FetchSettings;
  readonly #reader: PartitionReader;
  readonly #closed = new AbortController();
  readonly #changed = new Condition();
  readonly #readings = new Map<SplitId, Reading>();
  #topics: TopicWatch | null = null;
  #fetcher: Fetcher | null = null;
  #failure: { readonly error: unknown } | null = null;

  /** The client is the source's own: `close` closes it. */
  constructor(config: KafkaConfig, context: SourceContext, client: KafkaClient) {
    this.#config = config;
    this.#runtime = context.runtime;
    this.#client = client;
    this.#settings = rangeSettings(config);
    this.#reader = new PartitionReader({
      runtime: context.runtime,
      wants: context.wants,
      maxRecordByteLength: context.maxRecordByteLength,
      maxRows: config.maxPollRecords,
      whenLost: "read the range up to it and the range behind it",
    });
  }

  plan(request: RangeRequest, signal: AbortSignal): Promise<RangePlan> {
    const selection = this.#selectionOf(request);
    return withEitherSignal([signal, this.#closed.signal], async (either) => {
      const topics = await this.#lookUp(selection, either);
      const parts = { client: this.#client, topics, isolation: isolationOf(this.#config), runtime: this.#runtime };
      return await planRange(parts, request, either);
    });
  }

  #selectionOf({ historical }: RangeRequest): TopicSelection {
    const { historicalTopic } = this.#config;
    if (!historical) return selectionOf({ ...this.#config, historicalWorker: false });
    if (historicalTopic !== undefined) return { kind: "names", names: [historicalTopic] };
    throw new MisuseError(`There is no historical topic to read: set ${kafkaOptions.historicalTopic.key}`);
  }

  async #lookUp(selection: TopicSelection, signal: AbortSignal): Promise<TopicWatch> {
    const topics = new TopicWatch(this.#client, selection, this.#runtime, {
      whenAbsent: "fail",
      madeAnew: (topic) => this.#failAnew(topic),
    });
    await this.#retry("kafka metadata", () => topics.refresh(signal), signal);
    return topics;
  }

  open(splits: readonly PlannedSplit[], signal: AbortSignal): Promise<void> {
    const names = [...new Set(splits.map(({ split }) => partitionOf(split).topic))];
    return withEitherSignal([signal, this.#closed.signal], async (either) => {
      const topics = await this.#lookUp({ kind: "names", names }, either);
      const events = {
        arrived: () => this.#changed.notify(),
        outOfRange: (partition: Partition) => void this.#explain(partition),
        empty: (partition: Partition, end: number) => void this.#skipTail(partition, end),
        diverged: ({ split }: Partition) => this.#failAnew(split),
        failed: (error: unknown) => this.#fail(error),
      };
      const parts = { client: this.#client, topics, events, runtime: this.#runtime };
      this.#topics = topics;
      this.#fetcher = new Fetcher(parts, this.#settings, this.#closed.signal);
    });
  }

  begin({ split, start, end, details: { log } }: PlannedSplit, position: Position): void {
    if (this.#fetcher === null) throw new InvariantError(`${split} was begun before the source was opened`);
    if (this.#readings.has(split)) throw new InvariantError(`${split} was begun twice`);
    const partition = new Partition(partitionOf(split), RANGE_EPOCH, {
      start: Number(position),
      end: Number(end),
      topicId: this.#topics!.idOf(partitionOf(split).topic),
      ...(typeof log === "string" && { log }), // as planned: its units are named by it
    });
    partition.ready = true;
    this.#readings.set(split, { partition, start: Number(start), failure: null, asking: false });
    this.#fetcher.add(partition);
  }

  async read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const reading = this.#readings.get(split);
    if (reading === undefined) throw new InvariantError(`${split} is read and wasn't begun`);
    const { partition } = reading;
    while (true) {
      signal.throwIfAborted();
      if (this.#failure !== null) throw this.#failure.error;
      if (partition.position >= partition.end) {
        this.#fetcher!.remove(partition);
        return "end";
      }
      if (partition.hasRecords) {
        const batch = this.#reader.read(partition, limit);
        this.#fetcher!.pump();
        if (batch !== null) return batch;
      } else if (reading.failure !== null) throw reading.failure;
      else await this.#changed.wait(signal);
    }
  }

  progress(split: SplitId): number {
    const reading = this.#readings.get(split);
    if (reading === undefined) return 0;
    const { start, partition: { position, end } } = reading;
    return end <= start ? 1 : (position - start) / (end - start);
  }

  published(job: string, signal: AbortSignal): Promise<ReadonlyMap<SplitId, Position>> {
    const coordinator = this.#coordinatorOf(job);
    return withEitherSignal(
      [signal, this.#closed.signal],
      (either) => this.#retry("kafka published offsets", () => publishedOffsets(coordinator, either), either),
    );
  }

  publish(job: string, positions: ReadonlyMap<SplitId, Position>, signal: AbortSignal): Promise<void> {
    const coordinator = this.#coordinatorOf(job);
    return withEitherSignal(
      [signal, this.#closed.signal],
      (either) => this.#retry("kafka publish offsets", () => publishOffsets(coordinator, positions, either), either),
    );
  }

  #coordinatorOf(job: string): Coordinator {
    return new Coordinator(this.#client, `${this.#config.groupId}-${job}`);
  }

  close(): Promise<void> {
    if (!this.#closed.signal.aborted) {
      const reason = new FatalError("the Kafka source is closed");
      this.#closed.abort(reason);
      this.#fail(reason);
      this.#client.close();
      for (const { partition } of this.#readings.values()) this.#fetcher?.remove(partition);
    }
    return Promise.resolve();
  }

  // In the background; these never reject.

  /** The log has lost what comes next, or never had it. */
  #explain(partition: Partition): Promise<void> {
    partition.retryAtMs = this.#runtime.clock.monotonicMs() + OUT_OF_RANGE_PAUSE_MS;
    return this.#askAbout(partition, async (reading) => {
      const { split, fetchOffset } = partition, { signal } = this.#closed;
      const parts = { client: this.#client, topics: this.#topics!, isolation: this.#settings.isolation };
      const { first, end } = await this.#retry("kafka offsets", () => logRange(parts, partition, signal), signal);
      if (first <= fetchOffset && fetchOffset <= end) return; // a leader that was behind for a moment
      partition.retryAtMs = Infinity;
      reading.failure = new FatalError(
        fetchOffset < first
          ? `Offsets ${fetchOffset} to ${
            Math.min(first, partition.end) - 1
          } of ${split} expired before they were read: ` +
            `the log begins at ${first} now. What comes after them can be read by a new job from ${first} on`
          : `The log of ${split} ends at ${end}, before offset ${fetchOffset} that was to be read next: the topic was ` +
            `made anew or lost its end since the job began. Begin a new job`,
      );
    });
  }

  /** Nothing came, though the log reaches to `end`: perhaps nothing is left of the range. */
  #skipTail(partition: Partition, end: number): Promise<void> {
    if (partition.chunks.length > 0 || end < partition.end) return Promise.resolve();
    return this.#askAbout(partition, async () => {
      const { topic, partition: number, position } = partition;
      const leader = this.#topics!.leaderOf(topic, number);
      const question = { client: this.#client, leader, partition, offset: position, end, settings: this.#settings };
      const empty = await isTailEmpty(question, this.#closed.signal);
      if (!empty || partition.position !== position || partition.chunks.length > 0) return;
      partition.fetchOffset = partition.end;
      partition.skipTo = partition.end;
    });
  }

  async #askAbout(partition: Partition, ask: (reading: Reading) => Promise<void>): Promise<void> {
    const reading = this.#readings.get(partition.split);
    if (reading === undefined || reading.asking) return;
    reading.asking = true;
    try {
      await ask(reading);
    } catch (error) {
      // What can pass comes up again with the next fetch.
      if (!(error instanceof RetriableError)) this.#fail(error);
    } finally {
      reading.asking = false;
      this.#changed.notify();
    }
  }

  /** @param what the topic or the split. */
  #failAnew(what: string): void {
    this.#fail(new FatalError(`The log of ${what} was made anew or lost its end since the job began. Begin a new job`));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#changed.notify();
  }

  #retry<T>(what: string, attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return retry(what, attempt, { policy: RETRY, runtime: this.#runtime, signal });
  }
}
