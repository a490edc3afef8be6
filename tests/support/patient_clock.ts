import type { Clock } from "../../src/runtime/clock.ts";

/** No step is longer than this, however long the machine was busy with something else. */
const MAX_STEP_MS = 5;

interface Sleeper {
  readonly endMs: number;
  wake(): void;
}

/**
 * A real clock that waits for a busy machine: it goes on by steps, and a step in which this process got no turn counts
 * little. So sessions, leases and time limits end by what their owners leave undone, never because they got no processor.
 */
export class PatientClock implements Clock {
  #elapsedMs = 0;
  #lastMs = performance.now();
  readonly #sleepers = new Set<Sleeper>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  now(): number {
    return Date.now();
  }

  monotonicMs(): number {
    const nowMs = performance.now();
    this.#elapsedMs += Math.min(nowMs - this.#lastMs, MAX_STEP_MS);
    this.#lastMs = nowMs;
    return this.#elapsedMs;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#forget(sleeper);
        reject(signal!.reason);
      };
      const wake = () => {
        signal?.removeEventListener("abort", onAbort);
        this.#forget(sleeper);
        resolve();
      };
      const sleeper = { endMs: this.monotonicMs() + durationMs, wake };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.add(sleeper);
      this.#rearm();
    });
  }

  #forget(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
    if (this.#sleepers.size === 0) this.#rearm();
  }

  /** One timer for all: until the first of them ends, or the next step. */
  #rearm(): void {
    clearTimeout(this.#timer);
    if (this.#sleepers.size === 0) return;
    const firstMs = Math.min(...[...this.#sleepers].map(({ endMs }) => endMs));
    this.#timer = setTimeout(() => this.#step(), Math.max(0, Math.min(MAX_STEP_MS, firstMs - this.#elapsedMs)));
  }

  #step(): void {
    const nowMs = this.monotonicMs();
    for (const sleeper of [...this.#sleepers]) if (sleeper.endMs <= nowMs) sleeper.wake();
    this.#rearm();
  }
}
