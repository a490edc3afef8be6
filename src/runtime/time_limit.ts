import type { Clock } from "./clock.ts";
import { RetriableError } from "./errors.ts";

/** A controller that aborts with `signal`, and how to let go of the signal, which may outlive many of these. */
export function linkedController(signal: AbortSignal): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { controller, unlink: () => signal.removeEventListener("abort", onAbort) };
}

export interface TimeLimit {
  /** For the message: "PutObject s3://bucket/key at https://endpoint". */
  readonly what: string;
  readonly limitMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs a request that may never answer. Settles at once when the signal aborts (with its reason) or the limit passes
 * (RetriableError), whatever the request does then; its own signal is aborted, so that it ends soon.
 */
export async function withTimeLimit<T>(
  { what, limitMs, clock, signal }: TimeLimit,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { controller, unlink } = linkedController(signal);
  const ended = new AbortController();
  const limit = clock.sleep(limitMs, ended.signal).then(() => {
    const error = new RetriableError(`cannot ${what}: no answer within ${Math.round(limitMs / 100) / 10} s`);
    controller.abort(error);
    throw error;
  });
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  const running = request(controller.signal);
  for (const promise of [limit, aborted, running]) promise.catch(() => {}); // only the first one to settle counts
  try {
    return await Promise.race([running, limit, aborted]);
  } finally {
    unlink();
    ended.abort();
  }
}
