import { assertEquals, assertLessOrEqual, assertStrictEquals, assertThrows } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { partByteLength, sliceOf } from "../../../../src/target/s3/parts.ts";
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

Deno.test("sliceOf() gives every range of the chunks, whatever their borders", () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 300; round++) {
    const lengths = Array.from({ length: Math.floor(random.next() * 6) }, () => Math.floor(random.next() * 4));
    const object = storedObject("k", ...lengths.map((length, i) => patternBytes(length, i)));
    const whole = contents(object);
    for (let start = 0; start <= whole.length; start++) {
      for (let end = start; end <= whole.length; end++) {
        assertEquals(sliceOf(object.chunks, start, end), whole.subarray(start, end), `${lengths} [${start}, ${end})`);
      }
    }
  }
});

Deno.test("sliceOf() copies nothing that lies in one chunk", () => {
  const chunks = [patternBytes(10, 1), patternBytes(20, 2)];
  assertStrictEquals(sliceOf(chunks, 12, 30).buffer, chunks[1].buffer);
  assertStrictEquals(sliceOf(chunks, 0, 10).buffer, chunks[0].buffer);
});
