import { withEitherSignal } from "../../../runtime/abort.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { HeldLease } from "./held_lease.ts";
import { isEnded } from "./lease.ts";
import type { LeaseTable } from "./lease_table.ts";

/** Keeps children waiting until each of their parents has ended, or has no lease any more. */
export class ParentGate {
  readonly #table: LeaseTable;
  readonly #clock: Clock;
  readonly #pollMs: number;
  /** Those that wait: aborted when a shard of ours has ended, so that they look again at once. */
  readonly #waiting = new Set<AbortController>();

  constructor(table: LeaseTable, clock: Clock, pollMs: number) {
    this.#table = table;
    this.#clock = clock;
    this.#pollMs = pollMs;
  }

  /** Resolves when the shard may be read; rejects when its lease is gone. */
  async passed({ lease: { parents }, gone }: HeldLease): Promise<void> {
    let waiting = [...parents];
    for (;;) {
      const ended = await Promise.all(waiting.map((parent) => this.#hasEnded(parent, gone)));
      waiting = waiting.filter((_, i) => !ended[i]);
      if (waiting.length === 0) return;
      const woken = new AbortController();
      this.#waiting.add(woken);
      await withEitherSignal([gone, woken.signal], (either) => sleepUntilAborted(this.#clock, this.#pollMs, either));
      this.#waiting.delete(woken);
      gone.throwIfAborted();
    }
  }

  /** A shard of ours has ended. */
  wake(): void {
    for (const waiting of this.#waiting) waiting.abort();
  }

  async #hasEnded(shard: string, signal: AbortSignal): Promise<boolean> {
    try {
      const lease = await this.#table.get(shard, signal);
      return lease === undefined || isEnded(lease);
    } catch (error) {
      if (error instanceof RetriableError) return false; // looked at again soon
      throw error;
    }
  }
}
