import { assertEquals, assertRejects } from "@std/assert";
import type { CollectorLimits } from "../../src/loop/collector.ts";
import { limitsOfPart, type Loop, together } from "../../src/loop/loops.ts";
import type { SourcePart } from "../../src/source/source.ts";

const LIMITS: CollectorLimits = {
  streamMaxAgeMs: 1,
  streamMaxByteLength: 101,
  unitMaxAgeMs: 2,
  unitMaxRecords: 3,
  unitMaxRecordByteLength: 4,
  objectMaxByteLength: 5,
  memoryByteLength: 1001,
  shutdownTimeoutMs: 6,
};

function part(flush?: SourcePart["flush"]): SourcePart {
  return { name: "a part", create: () => Promise.reject() as never, ...(flush && { flush }) };
}

Deno.test("limitsOfPart() shares the memory, and leaves the rest as it is", () => {
  assertEquals(limitsOfPart(LIMITS, part(), 2), { ...LIMITS, memoryByteLength: 500, streamMaxByteLength: 50 });
});

Deno.test("limitsOfPart() takes a part's own limits in place of all of the middleware's", () => {
  assertEquals(limitsOfPart(LIMITS, part({ maxAgeMs: 70, maxRecords: 80 }), 2), {
    ...LIMITS,
    memoryByteLength: 500,
    streamMaxByteLength: 50,
    unitMaxAgeMs: 70,
    unitMaxRecords: 80,
    unitMaxRecordByteLength: Infinity,
  });
});

/** Waits to be stopped; then takes its time, and may fail. */
function waiting(name: string, turns: string[], outcome: () => Promise<void> = () => Promise.resolve()): Loop {
  return {
    run: (stop) =>
      new Promise((resolve, reject) => {
        turns.push(`${name} runs`);
        stop.addEventListener("abort", () => {
          turns.push(`${name} stops`);
          outcome().then(resolve, reject);
        });
      }),
  };
}

Deno.test("together() stops all loops with the signal, and ends when all have ended", async () => {
  const turns: string[] = [], stop = new AbortController(), late = Promise.withResolvers<void>();
  const running = together([waiting("a", turns), waiting("b", turns, () => late.promise)]).run(stop.signal);
  stop.abort();
  const ended = running.then(() => turns.push("all have ended"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(turns, ["a runs", "b runs", "a stops", "b stops"]);
  late.resolve();
  await ended;
  assertEquals(turns.at(-1), "all have ended");
});

Deno.test("together() stops the others when one fails, and fails with the first error", async () => {
  const turns: string[] = [], first = new Error("first");
  const failing: Loop = { run: () => Promise.reject(first) };
  const second = waiting("b", turns, () => Promise.reject(new Error("second")));
  assertEquals(await assertRejects(() => together([second, failing]).run(new AbortController().signal), Error), first);
  assertEquals(turns, ["b runs", "b stops"]);
});

Deno.test("together() lets the others go on when one has come to its end", async () => {
  const turns: string[] = [], stop = new AbortController();
  const running = together([waiting("a", turns), { run: () => Promise.resolve() }]).run(stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(turns, ["a runs"]);
  stop.abort();
  await running;
});
