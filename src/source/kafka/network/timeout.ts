import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";

/** The promise's outcome, or a RetriableError after `timeoutMs`; the work behind it goes on. */
export async function withTimeout<T>(
  promise: Promise<T>,
  { timeoutMs, what, runtime }: { timeoutMs: number; what: string; runtime: Runtime },
): Promise<T> {
  const timer = new AbortController();
  const expired = runtime.clock.sleep(timeoutMs, timer.signal).then(() => {
    throw new RetriableError(`${what} got no answer in ${timeoutMs} ms`);
  });
  expired.catch(() => {});
  promise.catch(() => {});
  try {
    return await Promise.race([promise, expired]);
  } finally {
    timer.abort();
  }
}
