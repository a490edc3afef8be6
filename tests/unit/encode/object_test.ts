import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { crc32, gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { type CompressedBytes, type Compression, compressPiece } from "../../../src/encode/compression.ts";
import { assembleObject, gzipTrailer, OBJECT_OVERHEAD_BYTES, splitPieces } from "../../../src/encode/object.ts";
import { contents } from "../../support/stored_object.ts";

const utf8 = new TextEncoder();

/** Bytes that look like rows, so that matches of any distance occur. */
function rows(byteLength: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLength);
  let state = 1;
  for (let i = 0; i < byteLength; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = (state >>> 16) % 7 === 0 ? state >>> 24 : 97 + i % 13;
  }
  return bytes;
}

const LENGTHS = [[], [0], [0, 0], [1], [1, 0, 1], [100], [70_000, 1, 0, 300_000], [5, 5, 5, 5, 5, 5, 5, 5]];

Deno.test("assembleObject() makes one gzip member of any pieces", () => {
  for (const level of [1, 4, 6, 9]) {
    for (const lengths of LENGTHS) {
      const raw = lengths.map(rows);
      const object = assembleObject(raw.map((bytes) => compressPiece(bytes, "gzip", level)), "gzip");
      const bytes = contents(object);
      const whole = new Uint8Array(raw.flatMap((part) => [...part]));
      assertEquals(new Uint8Array(gunzipSync(bytes)), whole);
      assertEquals(object.rawByteLength, whole.length);
      assertEquals(object.crc32, crc32(whole));
      assertEquals(object.sha256, new Uint8Array(createHash("sha256").update(bytes).digest()));
      const trailer = new DataView(bytes.buffer, bytes.length - 8);
      assertEquals([trailer.getUint32(0, true), trailer.getUint32(4, true)], [crc32(whole), whole.length]);
      assertEquals([...bytes.subarray(0, 4)], [0x1f, 0x8b, 8, 0]);
    }
  }
});

Deno.test("a gzip object notices a piece that is changed or missing", () => {
  const pieces = [rows(1000), rows(2000), rows(50)].map((bytes) => compressPiece(bytes, "gzip", 4));
  const wrong: CompressedBytes[][] = [
    [pieces[0], { ...pieces[1], crc32: pieces[1].crc32 ^ 1 }, pieces[2]],
    [pieces[0], { ...pieces[1], rawByteLength: 2001 }, pieces[2]],
    [pieces[0], { ...pieces[1], bytes: pieces[2].bytes }, pieces[2]],
  ];
  for (const changed of wrong) {
    let failed = false;
    try {
      gunzipSync(contents(assembleObject(changed, "gzip")));
    } catch {
      failed = true;
    }
    assert(failed, "read without an error");
  }
});

Deno.test("gzip pieces are whole whatever their compressed length", () => {
  // The native side writes into chunks of 16 kB: lengths around the end of one are where a flush could be lost.
  const incompressible = new Uint8Array(17_000);
  let state = 9;
  for (let i = 0; i < incompressible.length; i++) {
    incompressible[i] = (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 23;
  }
  for (let byteLength = 16_340; byteLength < 16_420; byteLength++) {
    const bytes = incompressible.slice(0, byteLength);
    const piece = compressPiece(bytes, "gzip", 1);
    assertEquals([...piece.bytes.subarray(-4)], [0, 0, 0xff, 0xff]);
    assertEquals(gunzipSync(contents(assembleObject([piece, piece], "gzip"))).length, 2 * byteLength);
  }
});

Deno.test("a zstd object is a frame a piece, each with its length and checksum", () => {
  for (const lengths of LENGTHS) {
    const raw = lengths.map(rows);
    const pieces = raw.map((bytes) => compressPiece(bytes, "zstd", 3));
    const object = assembleObject(pieces, "zstd");
    assertEquals(object.byteLength, pieces.reduce((sum, piece) => sum + piece.bytes.length, 0));
    assertEquals(object.crc32, 0);
    for (const [i, { bytes }] of pieces.entries()) {
      assertEquals([...bytes.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd]);
      assertEquals(bytes[4] & 0b100, 0b100, "no checksum flag");
      assert((bytes[4] & 0b1110_0000) !== 0, "no content size");
      assertEquals(new Uint8Array(zstdDecompressSync(bytes)), raw[i]);
    }
  }
});

Deno.test("an uncompressed object is its bytes", () => {
  const pieces = ["a\n", "", "b\n"].map((text) => compressPiece(utf8.encode(text), "none", 0));
  const object = assembleObject(pieces, "none");
  assertEquals(new TextDecoder().decode(contents(object)), "a\nb\n");
  assertEquals([object.byteLength, object.rawByteLength, object.crc32], [4, 4, 0]);
});

Deno.test("compressPiece() shares no memory with its input and gives the same bytes each time", () => {
  for (const compression of ["gzip", "zstd", "none"] as Compression[]) {
    const bytes = rows(5000);
    const first = compressPiece(bytes, compression, 3), copy = first.bytes.slice();
    assertEquals(compressPiece(bytes.slice(), compression, 3).bytes, first.bytes);
    bytes.fill(0);
    assertEquals(first.bytes, copy);
  }
});

Deno.test("a piece is alone in its buffer, so that it holds no other memory and can be transferred", () => {
  for (const compression of ["gzip", "zstd", "none"] as Compression[]) {
    for (const byteLength of [0, 1, 1000, 400_000]) {
      const { bytes } = compressPiece(rows(byteLength), compression, 3);
      assertEquals([bytes.constructor, bytes.buffer.byteLength], [Uint8Array, bytes.length]);
    }
  }
});

Deno.test("pieces of one megabyte cost little of the ratio of a whole", () => {
  const line = (i: number) =>
    `{"id":${i},"url":"https://shop.example.com/products/${(i * 7919) % 1009}","price":${(i * 31) % 997}}\n`;
  const bytes = utf8.encode(Array.from({ length: 60_000 }, (_, i) => line(i)).join(""));
  const pieces = [];
  for (let i = 0; i < bytes.length; i += 2 ** 20) pieces.push(compressPiece(bytes.slice(i, i + 2 ** 20), "gzip", 6));
  const ratio = assembleObject(pieces, "gzip").byteLength / gzipSync(bytes, { level: 6 }).length;
  assert(ratio < 1.02, `${ratio} times as large`);
});

Deno.test("gzipTrailer() writes the length modulo 4 GB", () => {
  const lengthOf = (rawByteLength: number) =>
    new DataView(gzipTrailer(0xdeadbeef, rawByteLength).buffer).getUint32(6, true);
  assertEquals([0, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 40 + 7].map(lengthOf), [0, 2 ** 32 - 1, 0, 5, 7]);
});

Deno.test("splitPieces() fills objects up to the bound and never cuts a piece", () => {
  const piece = (byteLength: number) => ({ bytes: new Uint8Array(byteLength), crc32: 0, rawByteLength: byteLength });
  const split = (lengths: number[], max: number) =>
    splitPieces(lengths.map(piece), max).map((object) => object.map(({ bytes }) => bytes.length));
  const max = 100 + OBJECT_OVERHEAD_BYTES;
  const cases: [number[], number[][]][] = [
    [[], []],
    [[100], [[100]]],
    [[101], [[101]]],
    [[50, 50], [[50, 50]]],
    [[50, 51], [[50], [51]]],
    [[500, 1, 1, 500, 99, 1, 1], [[500], [1, 1], [500], [99, 1], [1]]],
    [[0, 0], [[0, 0]]],
  ];
  for (const [lengths, expected] of cases) assertEquals(split(lengths, max), expected);
  assertEquals(split([1, 2], 0), [[1], [2]]);
});

Deno.test("an object of splitPieces() keeps the bound, header and trailer included", () => {
  const pieces = Array.from({ length: 50 }, (_, i) => compressPiece(rows(1000 + i), "gzip", 1));
  for (const object of splitPieces(pieces, 5000)) {
    assert(assembleObject(object, "gzip").byteLength <= 5000);
  }
});
