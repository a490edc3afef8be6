import type { Clock } from "../../src/runtime/clock.ts";

/** A clock that stands still until it is advanced. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #sleepers: { readonly wakeMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return 1_790_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal!.reason);
      };
      const wake = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      const sleeper = { wakeMs: this.#nowMs + durationMs, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Moves time on, and wakes who has slept long enough. */
  advance(durationMs: number): void {
    this.#nowMs += durationMs;
    const awake = this.#sleepers.filter(({ wakeMs }) => wakeMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter(({ wakeMs }) => wakeMs > this.#nowMs);
    for (const { wake } of awake) wake();
  }
}
