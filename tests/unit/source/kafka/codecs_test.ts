import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { decompress } from "../../../../src/source/kafka/records/codecs.ts";
/** What the programs lz4 1.9.4 and zstd 1.5.4 made of the texts below, base64. */
import vectors from "./codec_vectors.json" with { type: "json" };

const NUMBERS: Readonly<Record<string, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

const TEXTS: Readonly<Record<string, string>> = {
  lines: Array.from({ length: 3600 }, (_, i) => `${i % 9} and ${i % 5} lines of text\n`).join(""),
  zeros: "\0".repeat(200_000),
  few: "no room to compress",
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

for (const { name, codec, texts, base64 } of vectors) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const expected = texts.map((text) => TEXTS[text]).join("");

  Deno.test(`decompress() reads ${name}`, () => {
    assert(decoder.decode(decompress(NUMBERS[codec], bytes)) === expected);
    assertThrows(() => decompress(NUMBERS[codec], bytes, expected.length - 1), RangeError, "bytes allowed");
  });

  Deno.test(`decompress() misses what is cut off of ${name}`, () => {
    const step = 1 + Math.floor(bytes.length / 400);
    for (let length = 1; length < bytes.length; length += step) {
      let got: string | undefined;
      try {
        got = decoder.decode(decompress(NUMBERS[codec], bytes.subarray(0, length)));
      } catch (error) {
        assertInstanceOf(error, Error);
      }
      // Between two frames nothing is missing of the first.
      const whole = texts.map((_, i) => texts.slice(0, i).map((text) => TEXTS[text]).join(""));
      assert(got === undefined || whole.includes(got), `${length} of ${bytes.length} bytes gave ${got?.length}`);
    }
  });
}

Deno.test("decompress() refuses a few bytes that would become far more than allowed", () => {
  const limit = 1 << 20, zeros = new Uint8Array(64 << 20);
  const lz4Block = [0x1f, 0x41, 0x01, 0x00, ...Array<number>(16_000).fill(255), 0, 0x50, 1, 2, 3, 4, 5];
  const lz4 = [
    0x04,
    0x22,
    0x4d,
    0x18,
    0x60,
    0x40,
    0x82,
    lz4Block.length & 255,
    lz4Block.length >> 8,
    0,
    0,
    ...lz4Block,
  ];
  const frames = zstdCompressSync(new Uint8Array(limit - 1));
  for (
    const [codec, bomb] of [
      ["gzip", gzipSync(zeros)],
      ["snappy", Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08, 0, 65)],
      ["lz4", Uint8Array.from([...lz4, 0, 0, 0, 0])],
      ["zstd", zstdCompressSync(zeros)],
      ["zstd", new Uint8Array([...frames, ...frames])],
    ] as const
  ) {
    assertThrows(() => decompress(NUMBERS[codec], bomb, limit), RangeError, `than the ${limit} bytes allowed`);
  }
});

Deno.test("decompress() reads an empty text of each codec", () => {
  for (
    const [codec, bytes] of [["gzip", gzipSync("")], ["snappy", Uint8Array.of(0)], [
      "zstd",
      zstdCompressSync(""),
    ]] as const
  ) {
    assertEquals(decompress(NUMBERS[codec], bytes).length, 0);
  }
  assertThrows(() => decompress(1, deflateRawSync(encoder.encode("no header"))));
});
