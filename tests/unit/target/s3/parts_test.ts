import { assertEquals, assertLessOrEqual, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { partByteLength, withSlice } from "../../../../src/target/s3/parts.ts";
import { contents, patternBytes, storedObject } from "../../../support/stored_object.ts";

const MB = 2 ** 20, GB = 2 ** 30, TB = 2 ** 40;

Deno.test("partByteLength() keeps to 10,000 parts of at most 5 GB", () => {
  const table: [number, number, number][] = [
    [1, 8 * MB, 8 * MB],
    [80_000 * MB, 8 * MB, 8 * MB],
    [80_000 * MB + 1, 8 * MB, 9 * MB],
    [5 * TB, 8 * MB, 525 * MB],
    [5 * TB, 5 * GB, 5 * GB],
  ];
  for (const [objectByteLength, configured, expected] of table) {
    const size = partByteLength(objectByteLength, configured);
    assertEquals(size, expected);
    assertLessOrEqual(Math.ceil(objectByteLength / size), 10_000);
  }
  assertThrows(() => partByteLength(5 * TB + 1, 8 * MB), FatalError, "larger than the 5TB");
});

Deno.test("withSlice() gives every range of the chunks, whatever their borders", async () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 300; round++) {
    const lengths = Array.from({ length: Math.floor(random.next() * 6) }, () => Math.floor(random.next() * 4));
    const object = storedObject("k", ...lengths.map((length, i) => patternBytes(length, i)));
    const whole = contents(object);
    for (let start = 0; start <= whole.length; start++) {
      for (let end = start; end <= whole.length; end++) {
        const slice = await withSlice(object.chunks, { start, end }, (bytes) => Promise.resolve(bytes.slice()));
        assertEquals(slice, whole.subarray(start, end), `${lengths} [${start}, ${end})`);
      }
    }
    assertEquals(contents(object), whole);
  }
});

Deno.test("withSlice() copies nothing that lies in one chunk, and leaves the chunk as it is", async () => {
  const chunks = [patternBytes(10, 1), patternBytes(20, 2)];
  for (const [range, chunk] of [[{ start: 12, end: 30 }, 1], [{ start: 0, end: 10 }, 0]] as const) {
    await withSlice(chunks, range, (bytes) => Promise.resolve(assertStrictEquals(bytes.buffer, chunks[chunk].buffer)));
  }
  assertEquals(chunks, [patternBytes(10, 1), patternBytes(20, 2)]);
});

Deno.test("withSlice() gives the memory of a copy back once it was used, and not when that failed", async () => {
  const chunks = [patternBytes(10, 1), patternBytes(20, 2)], range = { start: 5, end: 15 };
  const used = await withSlice(chunks, range, (bytes) => Promise.resolve(bytes));
  assertEquals(used.buffer.detached, true);
  let given = new Uint8Array();
  const error = await assertRejects(() =>
    withSlice(chunks, range, (bytes) => {
      given = bytes;
      return Promise.reject(new Error("broken"));
    })
  );
  assertEquals((error as Error).message, "broken");
  assertEquals(given.length, 10);
});
