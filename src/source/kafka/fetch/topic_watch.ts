import { withAbort } from "../../../runtime/abort.ts";
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { KafkaClient } from "../network/client.ts";
import { ErrorCode, errorName, isPassing } from "../protocol/errors.ts";
import type { ClusterMetadata, TopicId } from "../protocol/metadata.ts";
import { selectTopics, type TopicSelection } from "./topics.ts";

/** How long the brokers must say that a topic doesn't exist until that is believed. */
const ABSENT_MS = 3000;

/** For what several wait for: each of them may give up, and a client that is closed ends it. */
const NEVER = new AbortController().signal;

/** What is known of one topic. */
interface TopicState {
  readonly id: TopicId;
  /** By partition; -1 while there is no leader. */
  readonly leaders: ReadonlyMap<number, number>;
}

/** The topics that we read and where their partitions are, as of the last refresh. */
export class TopicWatch {
  readonly #client: KafkaClient;
  readonly #selection: TopicSelection;
  readonly #runtime: Runtime;
  readonly #isOurs: (topic: string) => boolean;
  readonly #whenAbsent: "wait" | "fail";
  readonly #madeAnew: (topic: string) => void;
  /** The ids that topics had before they were gone for a time. */
  readonly #gone = new Map<string, TopicId>();
  /** Since when a topic is missing that must be there, monotonic ms. */
  #absentSinceMs: number | null = null;
  #clusterId: string | null = null;
  #topics = new Map<string, TopicState>();
  #subscribed: string[] = [];
  #loaded = false;
  readonly #appeared = new Set<string>();
  #refreshing: Promise<void> | null = null;
  /** Grows whenever topics or partition counts change. */
  version = 0;

  /**
   * `whenAbsent` says whether topics that don't exist are waited for. Whoever reads what there is can't. All topics of the
   * selection are watched, those that `isOurs` are subscribed to.
   */
  constructor(
    client: KafkaClient,
    selection: TopicSelection,
    runtime: Runtime,
    { whenAbsent = "wait", isOurs = () => true, madeAnew = () => {} }: {
      whenAbsent?: "wait" | "fail";
      isOurs?: (topic: string) => boolean;
      /** Another log has taken the place of the topic's. Called after a refresh. */
      madeAnew?: (topic: string) => void;
    } = {},
  ) {
    this.#madeAnew = madeAnew;
    this.#isOurs = isOurs;
    this.#whenAbsent = whenAbsent;
    this.#client = client;
    this.#selection = selection;
    this.#runtime = runtime;
  }

  /** Topics to read, whether they exist or not. */
  get subscribed(): readonly string[] {
    return this.#subscribed;
  }

  get isPattern(): boolean {
    return this.#selection.kind === "pattern";
  }

  /** Topics that came into being while we looked: they have no past that anybody wanted left out. */
  get appeared(): ReadonlySet<string> {
    return this.#appeared;
  }

  /** Null when the brokers have none, or the topic isn't known. */
  idOf(topic: string): TopicId {
    return this.#topics.get(topic)?.id ?? null;
  }

  /** What tells the topic's log from others of its name; undefined when the brokers don't say. */
  logOf(topic: string): string | undefined {
    const names = [this.#clusterId, this.idOf(topic)].filter((name) => name !== null);
    return names.length === 0 ? undefined : names.join("/");
  }

  /** Whether an offset that was committed for the log of `id` (null: nobody said of which) is one of the log of now. */
  isOfNow(topic: string, id: TopicId): boolean {
    const now = this.idOf(topic), known = id ?? this.#gone.get(topic) ?? null;
    return now === null || known === null ? !this.#gone.has(topic) : known === now;
  }

  /** What was committed for another log was overruled. */
  believe(topic: string): void {
    this.#gone.delete(topic);
  }

  /** Partition numbers; empty for a topic that doesn't exist. */
  partitionsOf(topic: string): number[] {
    return [...this.#topics.get(topic)?.leaders.keys() ?? []];
  }

  /** The leader's node id, -1 when there is none. */
  leaderOf(topic: string, partition: number): number {
    return this.#topics.get(topic)?.leaders.get(partition) ?? -1;
  }

  /** A topic was deleted: when it is there again, it is a new one, and the group shares anew in any case. */
  forget(topic: string): void {
    if (!this.#topics.has(topic)) return;
    this.#gone.set(topic, this.idOf(topic));
    this.#topics.delete(topic);
    this.version++;
  }

  /** Partition counts of topics that somebody else in the group reads too. */
  async partitionsOfAll(topics: readonly string[], signal: AbortSignal): Promise<Map<string, number[]>> {
    const known = () => topics.every((topic) => this.#topics.has(topic));
    // Ours come first, so that what has come into being is noted as such before anybody gets it.
    if (!known()) await this.refresh(signal);
    if (known()) return new Map(topics.map((topic) => [topic, this.partitionsOf(topic)]));
    const { topics: found } = await this.#client.metadata(topics, { signal });
    return new Map(found.map(({ topic, partitions }) => [topic, partitions.map(({ partition }) => partition)]));
  }

  /** Asks the cluster; one at a time. @throws RetriableError, FatalError or the signal's reason. */
  refresh(signal: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => this.#refreshing = null);
    return withAbort(this.#refreshing, signal);
  }

  async #refresh(): Promise<void> {
    const wanted = this.#selection.kind === "names" ? this.#selection.names : null;
    const metadata = await this.#client.metadata(wanted, { signal: NEVER });
    const previous = this.#topics, topics = readTopics(metadata, this.#selection, previous);
    for (const { topic, errorCode } of metadata.topics) this.#report(topic, errorCode);
    this.#topics = topics;
    this.#clusterId = metadata.clusterId;
    this.#subscribed = selectTopics(this.#selection, [...topics.keys()]).filter(this.#isOurs);
    if (this.#loaded) {
      for (const topic of topics.keys()) {
        if (previous.has(topic) || this.#appeared.has(topic)) continue;
        this.#appeared.add(topic);
        this.#runtime.log.info("new topic found", { topic, partitions: topics.get(topic)!.leaders.size });
      }
    }
    for (const [topic, { id }] of previous) {
      if (topics.has(topic)) continue;
      this.#gone.set(topic, id);
      if (this.isPattern && this.#isOurs(topic)) {
        this.#runtime.log.warn("topic is gone: it was deleted, or the right to see it was taken away", { topic });
      }
    }
    this.#absentSinceMs = null;
    if (this.#subscribed.length === 0 && this.#whenAbsent === "wait") {
      this.#runtime.log.warn("no topic of the cluster matches kafka.topic; waiting for one");
    }
    if (shapeOf(previous) !== shapeOf(topics)) this.version++;
    this.#loaded = true;
    for (const [topic, { id }] of topics) {
      const before = previous.get(topic)?.id ?? null;
      if (before !== null && id !== null && id !== before) this.#madeAnew(topic);
    }
  }

  #report(topic: string, errorCode: number): void {
    if (this.#selection.kind === "pattern" || errorCode === ErrorCode.NONE) return;
    if (errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) {
      throw new FatalError(`Not allowed to read topic ${topic}: its DESCRIBE and READ rights are missing`);
    }
    if (errorCode === ErrorCode.INVALID_TOPIC) throw new FatalError(`The brokers call "${topic}" no topic name`);
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      if (this.#whenAbsent === "fail") this.#throwAbsent(topic);
      this.#runtime.log.warn("topic doesn't exist; waiting for it", { topic });
    } else if (errorCode !== ErrorCode.LEADER_NOT_AVAILABLE) {
      const text = `Metadata of topic ${topic}: ${errorName(errorCode)}`;
      throw isPassing(errorCode) ? new RetriableError(text) : new FatalError(text);
    }
  }

  /** A broker that has just started may not know of it yet. */
  #throwAbsent(topic: string): never {
    const nowMs = this.#runtime.clock.monotonicMs();
    this.#absentSinceMs ??= nowMs;
    if (nowMs - this.#absentSinceMs < ABSENT_MS) throw new RetriableError(`Topic ${topic} doesn't exist`);
    throw new FatalError(`Topic ${topic} doesn't exist (any more), or its DESCRIBE right is missing`);
  }
}

/** A topic that the broker can't tell of just now stays as it was: else the group would share anew, without it. */
function readTopics(
  metadata: ClusterMetadata,
  selection: TopicSelection,
  previous: ReadonlyMap<string, TopicState>,
): Map<string, TopicState> {
  const topics = new Map<string, TopicState>();
  const names = new Set(selectTopics(selection, metadata.topics.map(({ topic }) => topic)));
  for (const { topic, id, errorCode, internal, partitions } of metadata.topics) {
    if (!names.has(topic) || internal && selection.kind === "pattern") continue;
    if (errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.LEADER_NOT_AVAILABLE) {
      const before = previous.get(topic);
      const exists = isPassing(errorCode) && errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (exists && before !== undefined) topics.set(topic, before);
      continue;
    }
    const sorted = [...partitions].sort((a, b) => a.partition - b.partition);
    topics.set(topic, { id, leaders: new Map(sorted.map(({ partition, leader }) => [partition, leader])) });
  }
  return topics;
}

/** Changes exactly when the group must share anew. */
function shapeOf(topics: ReadonlyMap<string, TopicState>): string {
  return [...topics].map(([topic, { leaders }]) => `${topic}:${leaders.size}`).sort().join(" ");
}
