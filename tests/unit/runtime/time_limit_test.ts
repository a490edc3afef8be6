import { assertEquals, assertRejects } from "@std/assert";
import { RetriableError } from "../../../src/runtime/errors.ts";
import { withTimeLimit } from "../../../src/runtime/time_limit.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const NEVER = new AbortController().signal;

Deno.test("withTimeLimit() passes the outcome on, and leaves nothing behind", async () => {
  const clock = new ManualClock();
  const limit = { what: "PutObject k", limitMs: 1000, clock, signal: NEVER };
  assertEquals(await withTimeLimit(limit, () => Promise.resolve(7)), 7);
  const failure = new Error("failed");
  assertEquals(await assertRejects(() => withTimeLimit(limit, () => Promise.reject(failure))), failure);
  assertEquals(clock.sleeping, 0);
});

Deno.test("withTimeLimit() gives up a request that never answers, and tells it so", async () => {
  const clock = new ManualClock();
  let seen: AbortSignal | undefined;
  const waiting = assertRejects(
    () =>
      withTimeLimit({ what: "PutObject k", limitMs: 1500, clock, signal: NEVER }, (signal) => {
        seen = signal;
        return new Promise(() => {});
      }),
    RetriableError,
    "cannot PutObject k: no answer within 1.5 s",
  );
  clock.advance(1499);
  assertEquals(seen?.aborted, false);
  clock.advance(1);
  const error = await waiting;
  assertEquals(seen?.reason, error);
});

Deno.test("withTimeLimit() ends with the signal's reason, also when the request ignores it", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const limit = { what: "x", limitMs: 1000, clock, signal: controller.signal };
  const waiting = assertRejects(() => withTimeLimit(limit, () => new Promise(() => {})));
  const reason = new Error("stopping");
  controller.abort(reason);
  assertEquals(await waiting, reason);
  let asked = false;
  assertEquals(
    await assertRejects(() => withTimeLimit(limit, () => Promise.resolve(asked = true))),
    reason,
  );
  assertEquals(asked, false);
});

Deno.test("withTimeLimit() swallows what comes too late", async () => {
  const clock = new ManualClock();
  const late = Promise.withResolvers<void>();
  const waiting = assertRejects(
    () => withTimeLimit({ what: "x", limitMs: 1, clock, signal: NEVER }, () => late.promise),
    RetriableError,
  );
  clock.advance(1);
  await waiting;
  late.reject(new Error("too late"));
});
