import { assertEquals } from "@std/assert";
import { byteSource, copyRange, fragment, OutputBuffer, writeFragment } from "../../../src/encode/output_buffer.ts";
import { Scratch } from "../../../src/encode/scratch.ts";

const utf8 = new TextEncoder();

Deno.test("reserve() keeps what was written, and reset() frees memory above what is to be kept", () => {
  const out = new OutputBuffer(10);
  const empty = out.bytes.length;
  out.length = writeFragment(out, 0, fragment("abc"));
  out.reserve(100_000);
  assertEquals(new TextDecoder().decode(out.written()), "abc");
  assertEquals(out.view.buffer, out.bytes.buffer);
  out.reset(10);
  assertEquals([out.length, out.bytes.length], [0, empty]);
});

Deno.test("copyRange() copies any part of any length, up to the source's last byte", () => {
  const bytes = Uint8Array.from({ length: 600 }, (_, i) => i % 251);
  const source = byteSource(bytes.subarray(3, 590));
  for (const [start, end] of [[0, 0], [0, 1], [5, 13], [579, 587], [586, 587], [0, 587], [1, 258], [300, 587]]) {
    const out = new OutputBuffer(600);
    out.length = copyRange(out, 2, source, start, end);
    assertEquals([...out.written().subarray(2)], [...bytes.subarray(3 + start, 3 + end)]);
  }
});

Deno.test("a fragment is the UTF-8 of its text", () => {
  for (const text of ["", "a", "12345678", "é😀", "x".repeat(100)]) {
    const out = new OutputBuffer(200);
    out.length = writeFragment(out, 0, fragment(text));
    assertEquals(out.written().slice(), utf8.encode(text));
  }
});

Deno.test("a scratch keeps offsets when it grows, and frees memory above what is to be kept", () => {
  const scratch = new Scratch(16, 4);
  const first = scratch.takeOffsets(4);
  scratch.offsets.set([1, 2, 3, 4], first);
  const second = scratch.takeOffsets(1000);
  assertEquals([first, second], [0, 4]);
  assertEquals([...scratch.offsets.subarray(0, 4)], [1, 2, 3, 4]);
  scratch.clear();
  assertEquals(scratch.takeOffsets(1), 0);
  scratch.reset(16, 4);
  assertEquals(scratch.offsets.length, 4);
});
