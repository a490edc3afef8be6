/**
 * Rows are compressed piece by piece, as soon as a piece is full, and an object is the sum of its pieces.
 *
 *     gzip   a piece is raw deflate up to a sync flush (it ends at a byte with 00 00 ff ff and is not final), so pieces
 *            follow each other as one deflate stream; object.ts makes one gzip member of them
 *     zstd   a piece is one whole frame with its length and checksum; frames follow each other
 *     none   a piece is its bytes
 */
import { release } from "../runtime/release.ts";
import { constants, crc32, deflateRawSync, zstdCompressSync, type ZstdOptions } from "node:zlib";

/** The least room for a result, bytes: node:zlib takes less from a buffer that others share, which can't be given back. */
const LEAST_ROOM = 8 << 10;

export const COMPRESSIONS = ["gzip", "zstd", "none"] as const;
export type Compression = typeof COMPRESSIONS[number];

/**
 * What `target.compression.level` may be. gzip 5: measured 0.5 to 5% smaller than 4
 * for up to 15% more time, and at least 1.3 times as fast as 6, which is up to 2% smaller.
 */
export const COMPRESSION_LEVELS: Readonly<Record<Compression, { min: number; max: number; default: number }>> = {
  gzip: { min: 1, max: 9, default: 5 },
  zstd: { min: 1, max: 19, default: 3 },
  none: { min: 0, max: 0, default: 0 },
};

/** Compressed bytes and what an object needs to know of them. */
export interface CompressedBytes {
  /** Alone in its ArrayBuffer, so that it can be transferred. */
  readonly bytes: Uint8Array;
  /** CRC-32 of the bytes before compression; 0 unless the compression is gzip. */
  readonly crc32: number;
  /** Bytes before compression. */
  readonly rawByteLength: number;
}

/**
 * Compresses one piece. Blocks the isolate for as long as it takes (Deno's asynchronous forms do, too): call it in a worker.
 *
 * @param bytes stay the caller's; the result shares nothing with them.
 * @param level within COMPRESSION_LEVELS.
 */
export function compressPiece(
  bytes: Uint8Array<ArrayBuffer>,
  compression: Compression,
  level: number,
): CompressedBytes {
  const rawByteLength = bytes.length;
  switch (compression) {
    case "gzip":
      return { bytes: deflatePiece(bytes, level), crc32: crc32(bytes), rawByteLength };
    case "zstd":
      return { bytes: zstdFrame(bytes, level), crc32: 0, rawByteLength };
    case "none":
      return { bytes: bytes.slice(), crc32: 0, rawByteLength };
  }
}

function deflatePiece(bytes: Uint8Array<ArrayBuffer>, level: number): Uint8Array {
  return alone(deflateRawSync(bytes, { level, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: roomFor(bytes) }));
}

/** `pledgedSrcSize` puts the length into the frame's header; the type declarations don't know it yet. */
type SizedZstdOptions = ZstdOptions & { readonly pledgedSrcSize: number };

function zstdFrame(bytes: Uint8Array<ArrayBuffer>, level: number): Uint8Array {
  const options: SizedZstdOptions = {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    pledgedSrcSize: bytes.length,
    chunkSize: roomFor(bytes),
  };
  return alone(zstdCompressSync(bytes, options));
}

/** For the whole result as a rule: node:zlib would leave a list of small buffers to the garbage collector. */
function roomFor({ length }: Uint8Array): number {
  return Math.max(LEAST_ROOM, length >> 1);
}

/** node:zlib's results are the start of a larger buffer, which would stay in memory as long as they do. */
function alone(bytes: Uint8Array): Uint8Array {
  if (bytes.length === bytes.buffer.byteLength) return new Uint8Array(bytes.buffer);
  const copy = new Uint8Array(bytes);
  release(bytes);
  return copy;
}
