/** What is ours, in which epoch, and whose turn it is. */
import type { Epoch, SplitId } from "../../../records/position.ts";
import { Partition, type PartitionPlace, splitOf } from "../fetch/partition.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";

export class OwnedPartitions {
  readonly #bySplit = new Map<SplitId, Partition>();
  #lastEpoch = 0n;
  /** Whose batch is half read: it comes first, so that only one decompressed batch is held at a time. */
  #current: Partition | null = null;
  /** Round robin: who was served longest ago is first. */
  #order: Partition[] = [];

  get all(): Partition[] {
    return [...this.#bySplit.values()];
  }

  get(split: SplitId): Partition | undefined {
    return this.#bySplit.get(split);
  }

  epochOf(partition: TopicPartition): Epoch | undefined {
    return this.#bySplit.get(splitOf(partition))?.epoch;
  }

  /** Whether this very object still stands for its partition. */
  has(partition: Partition): boolean {
    return this.#bySplit.get(partition.split) === partition;
  }

  /**
   * Takes partitions over in a new epoch, the same for all: the generation, or more when the group's count began anew
   * or a partition is taken over twice in one generation.
   */
  take(starts: readonly { partition: TopicPartition; place: PartitionPlace }[], generation: number): Partition[] {
    const next = this.#lastEpoch + 1n;
    this.#lastEpoch = next > BigInt(generation) ? next : BigInt(generation);
    return starts.map(({ partition, place }) => {
      const taken = new Partition(partition, this.#lastEpoch, place);
      const before = this.#bySplit.get(taken.split);
      if (before !== undefined) this.release(before);
      this.#bySplit.set(taken.split, taken);
      this.#order.push(taken);
      return taken;
    });
  }

  release(partition: Partition): void {
    partition.ready = false;
    if (this.has(partition)) this.#bySplit.delete(partition.split);
    this.#order = this.#order.filter((one) => one !== partition);
    if (this.#current === partition) this.#current = null;
  }

  /** The partition to read from now, if any has records. */
  next(): Partition | undefined {
    if (this.#current?.hasRecords) return this.#current;
    const index = this.#order.findIndex((partition) => partition.hasRecords);
    if (index < 0) return undefined;
    const [partition] = this.#order.splice(index, 1);
    this.#order.push(partition);
    return partition;
  }

  /** Keeps the turn at this partition, or (null) lets it pass. */
  keepTurn(partition: Partition | null): void {
    this.#current = partition;
  }
}
