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

/** The machine's own clock. Only main.ts and the pipeline worker's entry build one. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
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
