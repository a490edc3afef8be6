/** Objects from compressed pieces. */
import { createHash } from "node:crypto";
import type { CompressedBytes, Compression } from "./compression.ts";
import { combineCrc32 } from "../codecs/crc32.ts";

/** An object's contents. */
export interface ObjectContents {
  /** In order. */
  readonly chunks: readonly Uint8Array[];
  /** Sum of the chunks' lengths. */
  readonly byteLength: number;
  /** SHA-256 of the contents, raw (32 bytes). */
  readonly sha256: Uint8Array;
}

/** Contents of pieces; the pieces' own arrays are among the chunks. */
export interface AssembledObject extends ObjectContents {
  /** Bytes before compression. */
  readonly rawByteLength: number;
  /** CRC-32 of the bytes before compression; 0 unless the compression is gzip. */
  readonly crc32: number;
}

/** RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system: the same for the same rows. */
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** RFC 1951: a final block with fixed codes that holds nothing. The pieces before it end at a byte. */
const FINAL_BLOCK = [0x03, 0x00];

/** The most bytes that an object is longer than its pieces. */
export const OBJECT_OVERHEAD_BYTES = GZIP_HEADER.length + FINAL_BLOCK.length + 8;

/**
 * The object that holds these pieces in their order. gzip: ONE member (header, pieces, an empty final block, the CRC-32
 * combined from the pieces', the length), since readers stop after a first member and say nothing. Copies no piece.
 */
export function assembleObject(pieces: readonly CompressedBytes[], compression: Compression): AssembledObject {
  let rawByteLength = 0, crc32 = 0;
  for (const piece of pieces) {
    rawByteLength += piece.rawByteLength;
    if (compression === "gzip") crc32 = combineCrc32(crc32, piece.crc32, piece.rawByteLength);
  }
  const contents = pieces.map((piece) => piece.bytes);
  const chunks = compression === "gzip" ? [GZIP_HEADER, ...contents, gzipTrailer(crc32, rawByteLength)] : contents;
  return { ...contentsOf(chunks), rawByteLength, crc32 };
}

/** The chunks, their length and their checksum. Copies none. */
export function contentsOf(chunks: readonly Uint8Array[]): ObjectContents {
  const hash = createHash("sha256");
  let byteLength = 0;
  for (const chunk of chunks) {
    hash.update(chunk);
    byteLength += chunk.length;
  }
  return { chunks, byteLength, sha256: new Uint8Array(hash.digest()) };
}

/** The end of a gzip member: an empty final block, CRC-32, length modulo 2^32. */
export function gzipTrailer(crc32: number, rawByteLength: number): Uint8Array {
  const trailer = new Uint8Array(FINAL_BLOCK.length + 8);
  trailer.set(FINAL_BLOCK);
  const view = new DataView(trailer.buffer, FINAL_BLOCK.length);
  view.setUint32(0, crc32, true);
  view.setUint32(4, rawByteLength % 2 ** 32, true);
  return trailer;
}

/**
 * Cuts pieces into runs that each make an object of at most `maxObjectByteLength` bytes, in order. A piece is never cut:
 * one that is larger stands alone.
 */
export function splitPieces<P extends CompressedBytes>(pieces: readonly P[], maxObjectByteLength: number): P[][] {
  const objects: P[][] = [];
  let byteLength = Infinity;
  for (const piece of pieces) {
    if (byteLength + piece.bytes.length > maxObjectByteLength) {
      objects.push([]);
      byteLength = OBJECT_OVERHEAD_BYTES;
    }
    objects[objects.length - 1].push(piece);
    byteLength += piece.bytes.length;
  }
  return objects;
}
