import type { Clock } from "../../../runtime/clock.ts";
import { linkedController, withTimeLimit } from "../../../runtime/time_limit.ts";
import type { IteratorPlace, KinesisApi, PushedPage } from "../aws/kinesis_api.ts";

/** A subscription tells of itself every few seconds, also without records. */
const SILENCE_MS = 40_000;

export interface SubscriptionOptions {
  readonly api: KinesisApi;
  readonly shard: string;
  readonly place: IteratorPlace;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * What one subscription pushes, to its end: 5 minutes, the shard's end, a failure, or silence. The next page is asked for
 * when the caller comes back for it: what is not asked for stays with the service, which stops pushing, and drops us in
 * the end.
 *
 * @throws RetriableError when nothing is heard for too long, and what the subscription throws.
 */
export async function* pushedPages(
  { api, shard, place, clock, signal }: SubscriptionOptions,
): AsyncGenerator<PushedPage, void> {
  // The subscription's own: what it listens to must not pile up on a signal that lives longer.
  const { controller, unlink } = linkedController(signal);
  let pages: AsyncIterator<PushedPage> | undefined;
  try {
    const subscription = pages = (await api.subscribe(shard, place, controller.signal))[Symbol.asyncIterator]();
    const limit = { what: `hear of shard ${shard} by SubscribeToShard`, limitMs: SILENCE_MS, clock, signal };
    for (;;) {
      const { value, done } = await withTimeLimit(limit, () => subscription.next());
      if (done) return;
      yield value;
    }
  } finally {
    unlink();
    controller.abort(new DOMException("the subscription is over", "AbortError"));
    pages?.return?.()?.catch(() => {}); // not waited for: it may hang as its next page does
  }
}
