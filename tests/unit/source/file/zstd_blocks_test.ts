import { Buffer } from "node:buffer";
import { constants, zstdCompressSync } from "node:zlib";
import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { ZstdBlocks } from "../../../../src/codecs/zstd_blocks.ts";

const TEXT = Array.from({ length: 30_000 }, (_, i) => `{"i":${i},"x":"${(i * 7919) % 104729}"}\n`).join("");

function frame(text: string, checksum = false): Uint8Array {
  const params = { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 };
  return zstdCompressSync(text, { params });
}

function skippable(byteLength: number, nibble = 0): Uint8Array {
  const bytes = new Uint8Array(8 + byteLength);
  new DataView(bytes.buffer).setUint32(0, 0x184d2a50 + nibble, true);
  new DataView(bytes.buffer).setUint32(4, byteLength, true);
  return bytes.fill(0x28, 8);
}

/** Where pieces and frames end when the bytes come in parts of this length. */
function ends(
  bytes: Uint8Array,
  partByteLength: number,
): { ends: number[]; frameEnds: number[]; blocks: ZstdBlocks } {
  const blocks = new ZstdBlocks();
  const found: number[] = [], frameEnds: number[] = [];
  for (let from = 0; from < bytes.length; from += partByteLength) {
    const part = bytes.subarray(from, from + partByteLength);
    for (let at = 0; at < part.length;) {
      const next = blocks.advance(part, at);
      assert(next > at);
      at = next;
      if (next < part.length || blocks.atFrameEnd) found.push(from + next);
      if (blocks.atFrameEnd) frameEnds.push(from + next);
    }
  }
  return { ends: found, frameEnds, blocks };
}

const FRAMES: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ["an empty frame", frame("")],
  ["a short frame", frame("a")],
  ["a frame with a checksum", frame("hello", true)],
  ["a frame of one repeated byte", frame("x".repeat(100_000))],
  ["a frame of several blocks", frame(TEXT)],
  ["a frame of several blocks with a checksum", frame(TEXT, true)],
  ["a skippable frame", skippable(0)],
  ["a skippable frame with contents", skippable(300, 15)],
];

for (const [name, bytes] of FRAMES) {
  Deno.test(`ZstdBlocks finds the end of ${name}, in parts of any length`, () => {
    for (const partByteLength of [1, 2, 3, 5, 7, 64, 4096, bytes.length]) {
      const once = ends(bytes, partByteLength);
      assertEquals(once.ends.at(-1), bytes.length);
      assert(once.blocks.atFrameEnd);
      const twice = ends(Buffer.concat([bytes, bytes]), partByteLength);
      assert(twice.ends.includes(bytes.length) && twice.ends.at(-1) === 2 * bytes.length);
    }
  });

  Deno.test(`ZstdBlocks sees that ${name} is cut off, wherever`, () => {
    const { frameEnds } = ends(bytes, 4096); // the encoder may add an empty frame
    assertLessOrEqual(frameEnds.length, 2);
    for (let byteLength = bytes.length - 1; byteLength > Math.max(0, bytes.length - 2000); byteLength--) {
      const { blocks } = ends(bytes.subarray(0, byteLength), 4096);
      assertEquals(blocks.atFrameEnd, frameEnds.includes(byteLength), `cut at ${byteLength} of ${bytes.length}`);
    }
  });
}

Deno.test("ZstdBlocks ends a piece after every block and before a checksum", () => {
  const blockCount = Math.ceil(TEXT.length / (128 * 1024));
  for (const [checksum, extra] of [[false, 0], [true, 1]] as const) {
    const bytes = frame(TEXT, checksum);
    const { ends: found, frameEnds } = ends(bytes, 1 << 20);
    assertEquals(found.filter((end) => end <= frameEnds[0]).length, blockCount + extra);
    if (checksum) assert(found.includes(frameEnds[0] - 4));
  }
});

Deno.test("ZstdBlocks refuses what is no zstd frame", () => {
  assertThrows(() => ends(new TextEncoder().encode('{"a":1}\n'), 100), Error, "no zstd frame");
  assertThrows(() => ends(Buffer.concat([frame("a"), Buffer.from("garbage")]), 100), Error, "no zstd frame");
  const reserved = frame("a").slice();
  const header = reserved.length - 4;
  reserved[header] |= 6;
  assertThrows(() => ends(reserved, 100), Error, "unknown type");
});
