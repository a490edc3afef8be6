import { assertEquals, assertRejects } from "@std/assert";
import { mapInOrder } from "../../../src/verify/in_order.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield await Promise.resolve(i);
}

Deno.test("mapInOrder() works on some items at a time and gives results in order", async () => {
  for (const most of [1, 3, 100]) {
    let running = 0, greatest = 0;
    const results = mapInOrder(numbers(20), most, async (item) => {
      greatest = Math.max(greatest, ++running);
      for (let i = 0; i < 20 - item; i++) await Promise.resolve();
      running--;
      return item * item;
    });
    assertEquals(await Array.fromAsync(results), Array.from({ length: 20 }, (_, i) => i * i));
    assertEquals(greatest <= most, true);
    assertEquals(greatest > 1, most > 1);
  }
});

Deno.test("mapInOrder() ends with the first error in order, and waits for the rest", async () => {
  let ended = 0;
  const error = await assertRejects(() =>
    Array.fromAsync(mapInOrder(numbers(10), 4, async (item) => {
      await Promise.resolve();
      ended++;
      if (item >= 2) throw new Error(`item ${item}`);
      return item;
    }))
  ) as Error;
  assertEquals(error.message, "item 2");
  assertEquals(ended <= 6, true);
});

Deno.test("mapInOrder() asks for no more items once its reader has left", async () => {
  let asked = 0;
  async function* items() {
    for (;;) yield await Promise.resolve(asked++);
  }
  for await (const result of mapInOrder(items(), 4, (item) => Promise.resolve(item))) if (result === 5) break;
  assertEquals(asked, 9);
});
