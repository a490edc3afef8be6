import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { thisMachine } from "../../../src/runtime/machine.ts";

Deno.test("thisMachine() finds memory and cores", () => {
  const { cores, memoryByteLength, usedByteLength } = thisMachine();
  assertEquals(cores, navigator.hardwareConcurrency);
  assert(memoryByteLength !== undefined);
  assertLessOrEqual(memoryByteLength, Deno.systemMemoryInfo().total);
  assertGreater(memoryByteLength, usedByteLength());
});

Deno.test({
  name: "thisMachine() does without permissions",
  permissions: "none",
  fn() {
    const { cores, memoryByteLength, usedByteLength } = thisMachine();
    assertGreater(cores, 0);
    assert(memoryByteLength === undefined || memoryByteLength > 0);
    assertGreater(usedByteLength(), 0);
  },
});
