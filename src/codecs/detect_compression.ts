/**
 * Codecs: what bytes are packed with, and how they are unpacked (gzip, zstd, snappy, lz4, bzip2, xz) and checked (CRC-32, CRC-32C).
 * Kafka's record batches, Avro's containers, files, replays and audits share them.
 */
export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz" | "zip" | "UTF-16";

/** So many bytes tell one from the other. */
export const MAGIC_BYTE_LENGTH = 4;
const MAGICS: readonly (readonly [Compression, ...number[]])[] = [
  ["gzip", 0x1f, 0x8b],
  ["zstd", 0x28, 0xb5, 0x2f, 0xfd],
  ["xz", 0xfd, 0x37, 0x7a, 0x58],
  ["bzip2", 0x42, 0x5a, 0x68],
  ["zip", 0x50, 0x4b, 3, 4],
  ["zip", 0x50, 0x4b, 5, 6],
  ["UTF-16", 0xff, 0xfe],
  ["UTF-16", 0xfe, 0xff],
];
/** A brace, without a byte order mark. */
const UTF_16_BRACES = [[0x7b, 0], [0, 0x7b]];
/** After a first byte of 0x50 to 0x5f: a frame of other things, which may stand at the beginning. */
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18];

/** Whether the bytes begin like this, as far as they go. */
function startsLike(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.subarray(0, magic.length).every((byte, i) => byte === magic[i]);
}

/** By the first bytes, whatever the name says; null when there are too few to tell. */
export function detectCompression(bytes: Uint8Array): Compression | null {
  if (bytes.length === 0) return null;
  for (const [compression, ...magic] of MAGICS) {
    if (startsLike(bytes, magic)) return bytes.length < magic.length ? null : compression;
  }
  if (bytes.length > 1 && UTF_16_BRACES.some((brace) => startsLike(bytes, brace))) return "UTF-16";
  if ((bytes[0] & 0xf0) === 0x50 && bytes.length > 1 && startsLike(bytes.subarray(1), ZSTD_SKIPPABLE)) {
    return bytes.length < 1 + ZSTD_SKIPPABLE.length ? null : "zstd";
  }
  return "none";
}
