import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { ByteBudget } from "../../../src/runtime/byte_budget.ts";

const NEVER = new AbortController().signal;

Deno.test("ByteBudget never lends more than its limit, and lends in order", async () => {
  const random = new SeededRandom(3);
  const budget = new ByteBudget(100);
  const order: number[] = [];
  let lent = 0;
  await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const byteLength = Math.floor(random.next() * 60);
    const release = await budget.acquire(byteLength, NEVER);
    order.push(i);
    lent += byteLength;
    assertLessOrEqual(lent, 100);
    for (let turns = random.next() * 5; turns > 0; turns--) await Promise.resolve();
    lent -= byteLength;
    release();
  }));
  assertEquals(order, Array.from({ length: 200 }, (_, i) => i));
});

Deno.test("ByteBudget lends all of it to what is larger", async () => {
  const budget = new ByteBudget(100);
  const release = await budget.acquire(1, NEVER);
  let large = false;
  const waiting = budget.acquire(1000, NEVER).then((release) => {
    large = true;
    return release;
  });
  await Promise.resolve();
  assertEquals(large, false);
  release();
  (await waiting)();
  await budget.acquire(100, NEVER);
});

Deno.test("ByteBudget forgets who stops waiting, and goes on with the next", async () => {
  const budget = new ByteBudget(10);
  const release = await budget.acquire(5, NEVER);
  const controller = new AbortController();
  const impatient = assertRejects(() => budget.acquire(10, controller.signal));
  const patient = budget.acquire(5, NEVER);
  const reason = new Error("stopping");
  controller.abort(reason);
  assertEquals(await impatient, reason);
  (await patient)();
  release();
  assertEquals(await assertRejects(() => budget.acquire(1, controller.signal)), reason);
  await budget.acquire(10, NEVER);
});
