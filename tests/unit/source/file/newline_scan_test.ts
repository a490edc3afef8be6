import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { findNewlines, IndexList } from "../../../../src/source/file/newline_scan.ts";

function found(bytes: Uint8Array<ArrayBuffer>, from: number, to: number): number[] {
  const list = new IndexList();
  findNewlines(bytes, from, to, list);
  return Array.from(list.values.subarray(0, list.length));
}

function expected(bytes: Uint8Array, from: number, to: number): number[] {
  return Array.from(bytes.keys()).filter((i) => i >= from && i < to && bytes[i] === 10);
}

Deno.test("findNewlines() finds every line feed whatever the borders", () => {
  const bytes = new Uint8Array(64);
  for (let i = 0; i < 64; i++) bytes[i] = i % 3 === 0 ? 10 : i;
  for (let from = 0; from <= 64; from++) {
    for (let to = from; to <= 64; to++) assertEquals(found(bytes, from, to), expected(bytes, from, to));
  }
});

Deno.test("findNewlines() takes no other byte for a line feed", () => {
  // 0x0b after 0x0a is where the word test alone could be fooled by a borrow.
  const byte = fc.constantFrom(9, 10, 11, 0, 1, 0x8a, 0x0a ^ 0x80, 0xff, 97);
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 100 }), fc.nat(8), (values, cut) => {
      const bytes = Uint8Array.from(values);
      const from = Math.min(cut, bytes.length);
      assertEquals(found(bytes, from, bytes.length), expected(bytes, from, bytes.length));
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("IndexList keeps its indices when it grows, drops and shifts", () => {
  const list = new IndexList();
  const bytes = new Uint8Array(10_000).fill(10);
  findNewlines(bytes, 0, bytes.length, list);
  assertEquals(list.length, 10_000);
  list.dropFirst(9_990, 9_000);
  assertEquals(Array.from(list.values.subarray(0, list.length)), [990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
});
