import { assert, assertEquals, assertRejects } from "@std/assert";
import { FatalError, RetriableError } from "../../../src/runtime/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../../../src/runtime/retry.ts";

/** A runtime whose pauses take no time and are written down. */
function runtimeWith(chance: number) {
  const pausesMs: number[] = [];
  const clock = {
    now: () => 0,
    monotonicMs: () => 0,
    sleep: (durationMs: number, signal?: AbortSignal) => {
      pausesMs.push(durationMs);
      return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve();
    },
  };
  const runtime = { clock, random: { next: () => chance, hex: () => "" }, log: silentLog, metrics: new Metrics() };
  return { runtime, pausesMs };
}

/** Fails with each error in turn, then resolves with "done". */
function failing(errors: Error[]): () => Promise<string> {
  const left = [...errors];
  return () => left.length > 0 ? Promise.reject(left.shift()) : Promise.resolve("done");
}

Deno.test("retry() doubles the longest pause with each failure, up to its bound", async () => {
  const { runtime, pausesMs } = runtimeWith(1);
  const policy = { baseDelayMs: 100, maxDelayMs: 1000, maxAttempts: Infinity };
  const errors = Array.from({ length: 5 }, () => new RetriableError("later"));
  assertEquals(await retry("test", failing(errors), { policy, runtime }), "done");
  assertEquals(pausesMs, [200, 400, 800, 1000, 1000]);
  assertEquals(runtime.metrics.value("collector_retries_total", { what: "test" }), 5);
});

Deno.test("retry() pauses anywhere below the bound, and not less than the server asked for", async () => {
  const { runtime, pausesMs } = runtimeWith(0);
  const policy = { baseDelayMs: 100, maxDelayMs: 1000, maxAttempts: 9 };
  const errors = [{}, { retryAfterMs: 700 }, { retryAfterMs: 9000 }].map((o) => new RetriableError("later", o));
  await retry("test", failing(errors), { policy, runtime });
  assertEquals(pausesMs, [0, 700, 1000]);
});

Deno.test("retry() backs off further when it is throttled", async () => {
  const { runtime, pausesMs } = runtimeWith(1);
  const policy = { baseDelayMs: 100, maxDelayMs: 10_000, maxAttempts: 9 };
  const errors = [1, 2].map(() => new RetriableError("slow down", { throttled: true }));
  await retry("test", failing(errors), { policy, runtime });
  assertEquals(pausesMs, [400, 1600]);
});

Deno.test("retry() gives up at once on errors that a retry can't mend", async () => {
  const { runtime, pausesMs } = runtimeWith(1);
  const run = () =>
    retry("test", failing([new FatalError("no such bucket")]), { policy: RETRY_UNTIL_STOPPED, runtime });
  await assertRejects(run, FatalError, "no such bucket");
  assertEquals(pausesMs, []);
});

Deno.test("retry() gives up after its last attempt", async () => {
  const { runtime } = runtimeWith(1);
  const policy = { baseDelayMs: 1, maxDelayMs: 1, maxAttempts: 2 };
  const errors = ["first", "second"].map((text) => new RetriableError(text));
  await assertRejects(() => retry("test", failing(errors), { policy, runtime }), RetriableError, "second");
});

Deno.test("retry() ends with the signal's reason when it aborts", async () => {
  const { runtime } = runtimeWith(1);
  const stop = new AbortController();
  let attempts = 0;
  const attempt = () => {
    if (++attempts === 3) stop.abort(new DOMException("stop", "AbortError"));
    return Promise.reject(new RetriableError("later"));
  };
  const options = { policy: RETRY_UNTIL_STOPPED, runtime, signal: stop.signal };
  const error = await assertRejects(() => retry("test", attempt, options), DOMException);
  assert(error === stop.signal.reason);
  assertEquals(attempts, 3);
});

Deno.test("retry() inside of retry() speaks alone", async () => {
  const { runtime } = runtimeWith(1);
  const lines: string[] = [];
  const to = (message: string) => void lines.push(message);
  const log = { ...silentLog, info: to, warn: to };
  const attempt = failing(Array.from({ length: 5 }, () => new RetriableError("refused")));
  const inner = () =>
    retry("inner", attempt, {
      policy: { baseDelayMs: 1, maxDelayMs: 1, maxAttempts: 2 },
      runtime: { ...runtime, log },
    });
  const outer = retry("outer", inner, { policy: RETRY_UNTIL_STOPPED, runtime: { ...runtime, log } });
  assertEquals(await outer, "done");
  assertEquals(lines, ["inner fails, trying again", "inner works again after 0s"]);
});
