import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import { combineCrc32 } from "../../../src/encode/crc32.ts";

const utf8 = new TextEncoder();

Deno.test("combineCrc32() gives the CRC-32 of the whole", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (first, second) => {
      const whole = Uint8Array.of(...first, ...second);
      return combineCrc32(crc32(first), crc32(second), second.length) === crc32(whole);
    }),
    { seed: 1, numRuns: 1000 },
  );
  const digits = utf8.encode("123456789");
  for (let cut = 0; cut <= digits.length; cut++) {
    const first = crc32(digits.subarray(0, cut)), second = crc32(digits.subarray(cut));
    assertEquals(combineCrc32(first, second, digits.length - cut), 0xcbf43926);
  }
});

Deno.test("combineCrc32() takes lengths from one megabyte on", () => {
  const first = utf8.encode("head"), second = new Uint8Array(2 ** 20 + 3).fill(7);
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  assertEquals(combineCrc32(crc32(first), crc32(second), second.length), crc32(whole));
});

Deno.test("combineCrc32() takes lengths above 4 GB", () => {
  // The CRC-32 of 2^n zero bytes after a first piece, by doubling: the same with any split of the zeros.
  const zeros: number[] = [crc32(new Uint8Array(1))];
  for (let n = 1; n <= 36; n++) zeros.push(combineCrc32(zeros[n - 1], zeros[n - 1], 2 ** (n - 1)));
  assertEquals(zeros[20], crc32(new Uint8Array(2 ** 20)));
  const head = crc32(utf8.encode("head"));
  const once = combineCrc32(head, combineCrc32(zeros[33], zeros[10], 2 ** 10), 2 ** 33 + 2 ** 10);
  const twice = combineCrc32(combineCrc32(head, zeros[33], 2 ** 33), zeros[10], 2 ** 10);
  const other = combineCrc32(combineCrc32(head, zeros[10], 2 ** 10), zeros[33], 2 ** 33);
  assertEquals([twice, other], [once, once]);
});
