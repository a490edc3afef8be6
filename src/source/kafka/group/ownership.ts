/** What happens to our partitions at the turns of the group, and when the log has lost what comes next. */
import { SplitLostError } from "../../../runtime/errors.ts";
import type { SourceHandler } from "../../source.ts";
import type { AssignmentHints } from "./assignor.ts";
import type { Fetcher } from "../fetch/fetcher.ts";
import type { GroupListener } from "./group_member.ts";
import type { OutOfRange } from "./out_of_range.ts";
import type { OwnedPartitions } from "./owned_partitions.ts";
import { type Partition, type PartitionPlace, splitOf } from "../fetch/partition.ts";
import { exactOffset, type TopicPartition } from "../protocol/topic_partition.ts";
import {
  cutLog,
  cutsOf,
  logRange,
  MADE_ANEW,
  resolveStarts,
  type Start,
  startHints,
  type StartsParts,
} from "./starts.ts";

export interface OwnershipParts {
  readonly partitions: OwnedPartitions;
  readonly starts: StartsParts;
  readonly outOfRange: OutOfRange;
  readonly rebalanceTimeoutMs: number;
  /** Aborts when the source is closed. */
  readonly signal: AbortSignal;
  fetcher(): Fetcher;
  /** The group's, 0 when we are no member. */
  generation(): number;
  retry<T>(what: string, attempt: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** There may be something to read. */
  changed(): void;
  /** The process must end. */
  failed(error: unknown): void;
}

export class Ownership implements GroupListener {
  readonly #parts: OwnershipParts;
  readonly #partitions: OwnedPartitions;
  /** Set before the group is joined. */
  handler!: SourceHandler;

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
    this.#partitions = parts.partitions;
  }

  owned(): readonly TopicPartition[] {
    return this.#partitions.all;
  }

  hints(topics: readonly string[], signal: AbortSignal): Promise<AssignmentHints> {
    const { retry, starts } = this.#parts;
    return retry("kafka committed offsets", () => startHints(starts, topics, signal), signal);
  }

  async assign(
    partitions: readonly TopicPartition[],
    hints: AssignmentHints | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { starts, retry } = this.#parts;
    // Decided once: what begins commits its start, and then its topic looks like one that was read before.
    let decided = hints;
    const decide = async () => decided ??= await startHints(starts, starts.topics.subscribed, signal);
    let rest = partitions;
    await retry("kafka start offsets", async () => {
      const resolved = await resolveStarts(starts, rest, decide, signal);
      signal.throwIfAborted(); // lost while we asked: nothing of it may become ours
      await this.#begin(resolved.starts);
      const begun = new Set(resolved.starts.map(splitOf));
      rest = rest.filter((one) => !begun.has(splitOf(one)));
      if (resolved.failure !== null) throw resolved.failure;
    }, signal);
  }

  async #begin(starts: readonly Start[]): Promise<void> {
    const committed = new Map(starts.map((start) => [splitOf(start), start.committed]));
    const taken = this.#partitions.take(
      starts.map((start) => ({
        partition: start,
        place: this.#placeOf(start, { ...start, start: exactOffset(start.offset) }),
      })),
      this.#parts.generation(),
    );
    await Promise.all(taken.map((partition) => this.#announce(partition, committed.get(partition.split)!)));
  }

  async revoke(partitions: readonly TopicPartition[], deadlineMs: number): Promise<void> {
    const given = partitions.map((one) => this.#partitions.get(splitOf(one))).filter((one) => one !== undefined);
    if (given.length === 0) return;
    for (const partition of given) {
      partition.leaving = true;
      this.#stopReading(partition);
    }
    await this.handler.revoking(given.map(({ split }) => split), deadlineMs);
    for (const partition of given) this.#partitions.release(partition);
  }

  lose(): void {
    this.#lose(this.#partitions.all);
  }

  /** The partition was deleted: it is read again when the group has shared anew, and it is there again. */
  drop(one: TopicPartition): void {
    const partition = this.#partitions.get(splitOf(one));
    if (partition !== undefined) this.#lose([partition]);
  }

  #lose(gone: readonly Partition[]): void {
    for (const partition of gone) {
      this.#stopReading(partition);
      this.#partitions.release(partition);
    }
    if (gone.length > 0) this.handler.lost(gone.map(({ split }) => split));
  }

  /** Tells the loop, and then begins to read. */
  async #announce(partition: Partition, committed: boolean): Promise<void> {
    const { split, epoch } = partition;
    try {
      await this.handler.assigned(split, epoch, String(partition.position), { committed });
    } catch (error) {
      if (error instanceof SplitLostError) return; // the group moved on while its start was committed
      throw error;
    }
    if (!this.#stays(partition)) return;
    partition.ready = true;
    this.#parts.fetcher().add(partition);
  }

  #stays(partition: Partition): boolean {
    return this.#partitions.has(partition) && !partition.leaving;
  }

  #stopReading(partition: Partition): void {
    partition.ready = false;
    this.#parts.fetcher().remove(partition);
    this.#partitions.keepTurn(null);
  }

  /** The log begins behind our offset, or ends before it. Never rejects. */
  async recover(partition: Partition): Promise<void> {
    const { signal, outOfRange, retry } = this.#parts;
    partition.retryAtMs = Infinity; // nothing more is fetched until we know where
    try {
      const { to, reason } = await retry("kafka offsets", () => outOfRange.decide(partition, signal), signal);
      if (!this.#stays(partition)) return;
      if (to < partition.fetchOffset) return await this.#startOver(partition, to, cutsOf(partition.log) + 1);
      if (to > partition.fetchOffset) {
        partition.skipTo = to;
        partition.skipReason = reason;
      }
      partition.retryAtMs = 0;
      this.#parts.fetcher().pump();
      this.#parts.changed();
    } catch (error) {
      if (!signal.aborted) this.#parts.failed(error);
    }
  }

  /** Another log has the topic's name now. Never rejects. */
  async beginAnew(topic: string): Promise<void> {
    const { signal, starts, retry } = this.#parts;
    const ours = this.#partitions.all.filter((one) => one.topic === topic);
    await Promise.all(ours.map(async (partition) => {
      const { split, position, topicId } = partition;
      partition.retryAtMs = Infinity;
      try {
        const { first } = await retry("kafka offsets", () => logRange(starts, partition, signal), signal);
        if (!this.#stays(partition)) return;
        starts.log.error(
          MADE_ANEW,
          { split, offset: position, goesOnAt: first, oldTopicId: topicId, topicId: starts.topics.idOf(topic) },
        );
        await this.#startOver(partition, first, 0);
      } catch (error) {
        if (!signal.aborted) this.#parts.failed(error);
      }
    }));
  }

  /** The log parted from what was read of it, before our position: an unclean election. Never rejects. */
  async goBack(partition: Partition, offset: number): Promise<void> {
    const { split, position } = partition;
    partition.retryAtMs = Infinity;
    this.#parts.starts.log.error(
      "the log lost its end in an unclean election, and has other records there now: they are read, too",
      { split, offset: position, goesOnAt: offset },
    );
    try {
      await this.#startOver(partition, offset, cutsOf(partition.log) + 1);
    } catch (error) {
      if (!this.#parts.signal.aborted) this.#parts.failed(error);
    }
  }

  #placeOf(
    { topic }: TopicPartition,
    { start, leaderEpoch, cuts }: { start: number; leaderEpoch: number; cuts: number },
  ): PartitionPlace {
    const { topics } = this.#parts.starts;
    return { start, leaderEpoch, topicId: topics.idOf(topic), log: cutLog(topics.logOf(topic), cuts) };
  }

  /** Going back is only possible in a new epoch, after everything of the old one was written. */
  async #startOver(partition: Partition, start: number, cuts: number): Promise<void> {
    this.#stopReading(partition);
    await this.handler.revoking([partition.split], this.#parts.rebalanceTimeoutMs);
    if (!this.#stays(partition)) return;
    const place = this.#placeOf(partition, { start, leaderEpoch: partition.leaderEpochs.before(start), cuts });
    const [again] = this.#partitions.take([{ partition, place }], this.#parts.generation());
    await this.#announce(again, false);
  }
}
