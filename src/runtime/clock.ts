/**
 * Time, behind an interface so that the simulation can own it. Wall time names moments (event days, log lines);
 * monotonic time measures durations (flush ages, timeouts) and never goes back.
 */
export interface Clock {
  /** Wall time, epoch ms. May jump either way when the machine's clock is set. */
  now(): number;
  /** Monotonic time in ms since an arbitrary start. */
  monotonicMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason as soon as `signal` aborts. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout takes no more than this (24.8 days) and fires at once beyond. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. Only main.ts and the pipeline worker's entry build one. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    for (; durationMs > MAX_TIMER_MS; durationMs -= MAX_TIMER_MS) await this.#timer(MAX_TIMER_MS, signal);
    await this.#timer(durationMs, signal);
  }

  #timer(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, durationMs);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
