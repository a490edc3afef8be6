import { assert, assertEquals, assertRejects } from "@std/assert";
import { withAbort } from "../../../src/runtime/abort.ts";
import { SystemClock } from "../../../src/runtime/clock.ts";
import { Condition } from "../../../src/runtime/condition.ts";
import { isAbort } from "../../../src/runtime/errors.ts";

const never = () => new AbortController().signal;

Deno.test("Condition wakes everyone who waits, and nobody who comes later", async () => {
  const condition = new Condition();
  const woken: number[] = [];
  const waits = [1, 2].map((n) => condition.wait(never()).then(() => woken.push(n)));
  condition.notify();
  await Promise.all(waits);
  const stop = new AbortController();
  const late = condition.wait(stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => late, Error, "enough");
  assertEquals(woken, [1, 2]);
  await assertRejects(() => condition.wait(stop.signal), Error, "enough");
});

Deno.test("withAbort() passes the outcome on, or the signal's reason when that comes first", async () => {
  assertEquals(await withAbort(Promise.resolve(7), never()), 7);
  await assertRejects(() => withAbort(Promise.reject(new Error("own")), never()), Error, "own");
  const stop = new AbortController();
  const endless = withAbort(new Promise(() => {}), stop.signal);
  stop.abort(new Error("stopped"));
  await assertRejects(() => endless, Error, "stopped");
  await assertRejects(() => withAbort(Promise.reject(new Error("late")), stop.signal), Error, "stopped");
});

Deno.test("SystemClock.sleep() ends at once when the signal aborts", async () => {
  const clock = new SystemClock();
  const stop = new AbortController();
  const startMs = clock.monotonicMs();
  const sleeping = clock.sleep(600_000, stop.signal);
  stop.abort();
  assert(isAbort(await assertRejects(() => sleeping)));
  assert(isAbort(await assertRejects(() => clock.sleep(600_000, stop.signal))));
  assert(clock.monotonicMs() - startMs < 600_000);
  await clock.sleep(0);
});

Deno.test("SystemClock.sleep() waits longer than a timer can", async () => {
  const stop = new AbortController();
  let woke = false;
  const year = new SystemClock().sleep(365 * 86_400_000, stop.signal).then(() => woke = true, () => {});
  await new SystemClock().sleep(5); // a timer that is too long fires at once
  stop.abort();
  await year;
  assert(!woke);
});
