import { RetriableError } from "./errors.ts";
import { failing, givenUp, working } from "./outage.ts";
import type { Runtime } from "./runtime.ts";

/** How long and how often to try again. Delays are in ms. */
export interface RetryPolicy {
  /** The first pause; doubles with each further try. */
  readonly baseDelayMs: number;
  /** No pause is longer than this. */
  readonly maxDelayMs: number;
  /** Tries in all; `Infinity` for work whose only alternative is to stop (the signal still ends it). */
  readonly maxAttempts: number;
}

/** For writes that hold the source back until they succeed. */
export const RETRY_UNTIL_STOPPED: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 30_000, maxAttempts: Infinity };

/**
 * Runs `attempt` until it resolves, throws anything but a RetriableError, or the policy or the signal ends it. Pauses
 * are "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter"): uniform in [0, min(max, base * 2^n)];
 * a throttled try counts double, and a server's own retry-after is the least pause.
 *
 * Of retries inside of retries the inner one speaks.
 *
 * @throws the last error, or the signal's reason.
 */
export async function retry<T>(
  what: string,
  attempt: (signal?: AbortSignal) => Promise<T>,
  { policy, runtime, signal }: { policy: RetryPolicy; runtime: Runtime; signal?: AbortSignal },
): Promise<T> {
  let exponent = 0;
  for (let attempts = 1;; attempts++) {
    signal?.throwIfAborted();
    try {
      const result = await attempt(signal);
      working(runtime, what);
      return result;
    } catch (error) {
      if (!(error instanceof RetriableError)) {
        givenUp(runtime, what);
        throw error;
      }
      if (attempts >= policy.maxAttempts) {
        error.said ||= attempts > 1;
        throw error;
      }
      if (!error.said) failing(runtime, what, { error });
      exponent += error.throttled ? 2 : 1;
      const ceilingMs = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(exponent, 30));
      const delayMs = Math.max(runtime.random.next() * ceilingMs, Math.min(error.retryAfterMs ?? 0, policy.maxDelayMs));
      runtime.metrics.count("collector_retries_total", 1, { what });
      await runtime.clock.sleep(delayMs, signal);
    }
  }
}
