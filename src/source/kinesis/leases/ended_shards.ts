import { withAbort } from "../../../runtime/abort.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { SourceHandler } from "../../source.ts";
import type { SplitId } from "../../../records/position.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { OwnedShards } from "../shards/owned_shards.ts";

/** An ended shard has no deadline: nobody else waits for it. The longest that timers take. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

export interface EndedShardsOptions {
  readonly shards: OwnedShards;
  readonly clock: Clock;
  /** Shards that end within this time are written together. */
  readonly delayMs: number;
  readonly signal: AbortSignal;
}

/** Shards whose end was given to the loop: has them written soon, so that their children can start. */
export class EndedShards {
  readonly #options: EndedShardsOptions;
  #splits: SplitId[] = [];

  constructor(options: EndedShardsOptions) {
    this.#options = options;
  }

  /** The batch at its end is given to the loop now. */
  add(split: SplitId): void {
    this.#splits.push(split);
  }

  /** Those whose last batches the loop has taken by now; null when there are none. Resolves when they are written. */
  write(handler: SourceHandler): Promise<void> | null {
    if (this.#splits.length === 0) return null;
    const splits = this.#splits;
    this.#splits = [];
    return this.#write(splits, handler);
  }

  async #write(ended: readonly SplitId[], handler: SourceHandler): Promise<void> {
    const { shards, clock, delayMs, signal } = this.#options;
    if (!await sleepUntilAborted(clock, delayMs, signal)) return;
    const splits = ended.filter((split) => shards.get(split)?.ended);
    if (splits.length > 0) await withAbort(handler.revoking(splits, NO_DEADLINE_MS), signal);
  }
}
