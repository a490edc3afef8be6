import { assertEquals } from "@std/assert";
import { checkPart } from "../../../src/cli/check.ts";
import { type Clock, SystemClock } from "../../../src/runtime/clock.ts";
import { testRuntime } from "../../support/stored_object.ts";

/** A clock whose sleeps end at once, or never. */
function clock(sleep: Clock["sleep"]): Clock {
  return Object.assign(new SystemClock(), { sleep });
}

Deno.test("checkPart() takes a part that never answers for unreachable, and tells it to stop", async () => {
  let told: AbortSignal | undefined;
  const runtime = testRuntime({ clock: clock(() => Promise.resolve()) });
  const findings = await checkPart("source", runtime, (signal) => {
    told = signal;
    return new Promise(() => {});
  });
  const detail = "no answer within 30 seconds: see whether it is reachable from here";
  assertEquals(findings, [{ part: "source", ok: false, what: "can be checked", detail }]);
  assertEquals(told?.aborted, true);
});

Deno.test("checkPart() passes findings on, makes errors findings, and ends its wait", async () => {
  let waiting: AbortSignal | undefined;
  const runtime = testRuntime({
    clock: clock((_, signal) => {
      waiting = signal;
      return new Promise(() => {});
    }),
  });
  const found = { ok: true, what: "bucket", detail: "is there" };
  assertEquals(await checkPart("target", runtime, () => Promise.resolve([found])), [{ ...found, part: "target" }]);
  assertEquals(waiting?.aborted, true);
  const failed = await checkPart("target", runtime, () => Promise.reject(new TypeError("broken")));
  assertEquals(failed, [{ part: "target", ok: false, what: "can be checked", detail: "broken" }]);
});
