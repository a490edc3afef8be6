import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import { combineCrc32 } from "../../../src/codecs/crc32.ts";

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
  let gigabyte = crc32(new Uint8Array(2 ** 20));
  for (let byteLength = 2 ** 20; byteLength < 2 ** 30; byteLength *= 2) {
    gigabyte = combineCrc32(gigabyte, gigabyte, byteLength);
  }
  const head = crc32(utf8.encode("head"));
  let zeros = gigabyte, oneByOne = combineCrc32(head, gigabyte, 2 ** 30);
  for (let count = 2; count <= 9; count++) {
    zeros = combineCrc32(zeros, gigabyte, 2 ** 30);
    oneByOne = combineCrc32(oneByOne, gigabyte, 2 ** 30);
    assertEquals(combineCrc32(head, zeros, count * 2 ** 30), oneByOne);
  }
});
