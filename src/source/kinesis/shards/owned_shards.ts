import type { Position, SplitId } from "../../../records/position.ts";
import { positionAfter } from "../leases/checkpoint.ts";
import type { HeldLease } from "../leases/held_lease.ts";
import type { ShardReader } from "./shard_reader.ts";

/** A shard that is ours. */
export interface OwnedShard {
  readonly held: HeldLease;
  readonly split: SplitId;
  reader: ShardReader | null;
  /** Up to where the table has it. */
  committed: Position;
  /** The latest position that anybody wants committed. */
  wanted: Position;
  committing: Promise<void>;
  /** Whether the handler knows of it. */
  assigned: boolean;
  /** The batch at its end was given to the loop. */
  ended: boolean;
  /** Where LATEST or AT_TIMESTAMP is, epoch ms, once that is resolved. */
  startMs: number | undefined;
}

/** The shards that are ours, and whose turn it is. */
export class OwnedShards {
  readonly #streamName: string;
  readonly #shards = new Map<SplitId, OwnedShard>();
  readonly #paused = new Set<SplitId>();
  #turn = 0;

  constructor(streamName: string) {
    this.#streamName = streamName;
  }

  add(held: HeldLease): OwnedShard {
    const split = this.#splitOf(held);
    const start = positionAfter(held.lease.checkpoint);
    const owned: OwnedShard = {
      held,
      split,
      reader: null,
      committed: start,
      wanted: start,
      committing: Promise.resolve(),
      assigned: false,
      ended: false,
      startMs: undefined,
    };
    this.#shards.set(split, owned);
    return owned;
  }

  get(split: SplitId): OwnedShard | undefined {
    return this.#shards.get(split);
  }

  /** The shard of this very lease; undefined when it is ours no more, or by another lease. */
  of(held: HeldLease): OwnedShard | undefined {
    const owned = this.#shards.get(this.#splitOf(held));
    return owned?.held === held ? owned : undefined;
  }

  /** Drops it. Undefined when it wasn't there. */
  forget(held: HeldLease): OwnedShard | undefined {
    const owned = this.of(held);
    if (owned === undefined) return undefined;
    this.#shards.delete(owned.split);
    this.#paused.delete(owned.split);
    return owned;
  }

  clear(): void {
    this.#shards.clear();
  }

  pause(splits: readonly SplitId[]): void {
    for (const split of splits) {
      const owned = this.#shards.get(split);
      if (owned === undefined) continue;
      this.#paused.add(split);
      if (owned.reader !== null) owned.reader.paused = true;
    }
  }

  resume(splits: readonly SplitId[]): void {
    for (const split of splits) {
      this.#paused.delete(split);
      const reader = this.#shards.get(split)?.reader;
      if (reader) reader.paused = false;
    }
  }

  isPaused(split: SplitId): boolean {
    return this.#paused.has(split);
  }

  /** One that has something to give: they take turns, whatever their batches hold. */
  nextReady(): OwnedShard | null {
    const shards = [...this.#shards.values()];
    for (let i = 0; i < shards.length; i++) {
      const at = (this.#turn + i) % shards.length;
      if (!shards[at].reader?.ready) continue;
      this.#turn = at + 1;
      return shards[at];
    }
    return null;
  }

  readers(): ShardReader[] {
    return [...this.#shards.values()].map(({ reader }) => reader).filter((reader) => reader !== null);
  }

  #splitOf({ key }: HeldLease): SplitId {
    return `${this.#streamName}/${key}`;
  }
}
