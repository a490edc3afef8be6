import { assertEquals, assertRejects } from "@std/assert";
import { RateLimit } from "../../../src/replay/rate_limit.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const NEVER = new AbortController().signal;
/** Lets everything that can go on go on. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** How long a wait takes now, ms, in steps of 100. */
async function waited(rate: RateLimit, clock: ManualClock): Promise<number> {
  let done = false;
  const wait = rate.wait(NEVER).then(() => done = true);
  await settle();
  let ms = 0;
  for (; !done; ms += 100) {
    clock.advance(100);
    await settle();
  }
  await wait;
  return ms;
}

Deno.test("RateLimit waits as long as what was read should have taken", async () => {
  const clock = new ManualClock();
  const bytes = new RateLimit({ amount: 1000, unit: "bytes" }, clock);
  assertEquals(await waited(bytes, clock), 0, "the first is free");
  bytes.spend(2500, 1);
  assertEquals(await waited(bytes, clock), 2500);
  const records = new RateLimit({ amount: 0.5, unit: "records" }, clock);
  records.spend(1_000_000, 2);
  records.spend(0, 1);
  assertEquals(await waited(records, clock), 6000);
});

Deno.test("RateLimit saves nothing up while nothing is read", async () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ amount: 1000, unit: "bytes" }, clock);
  rate.spend(500, 1);
  clock.advance(60_000);
  assertEquals(await waited(rate, clock), 0);
  rate.spend(1000, 1);
  rate.spend(1000, 1);
  clock.advance(700);
  assertEquals(await waited(rate, clock), 1300);
});

Deno.test("RateLimit stops waiting when it is told to", async () => {
  const clock = new ManualClock();
  const rate = new RateLimit({ amount: 1, unit: "records" }, clock);
  rate.spend(0, 10);
  const stop = new AbortController();
  const wait = rate.wait(stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => wait, Error, "enough");
  assertEquals(await waited(rate, clock), 10_000, "the debt stays");
});
