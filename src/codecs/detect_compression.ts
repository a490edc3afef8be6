/**
 * Codecs: what bytes are packed with, and how they are unpacked (gzip, zstd, snappy, lz4, bzip2, xz) and checked (CRC-32, CRC-32C).
 * Kafka's record batches, Avro's containers, files, replays and audits share them.
 */
export type Compression = "none" | "gzip" | "zstd";

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
/** After a first byte of 0x50 to 0x5f: a frame of other things, which may stand at the beginning. */
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18];

function startsLike(bytes: Uint8Array, magic: readonly number[]): boolean {
  return bytes.subarray(0, magic.length).every((byte, i) => byte === magic[i]);
}

/** By the first bytes, whatever the name says (RFC 1952, RFC 8878); null when there are too few to tell. */
export function detectCompression(bytes: Uint8Array): Compression | null {
  if (bytes.length === 0) return null;
  if (startsLike(bytes, GZIP)) return bytes.length < GZIP.length ? null : "gzip";
  if (startsLike(bytes, ZSTD)) return bytes.length < ZSTD.length ? null : "zstd";
  if ((bytes[0] & 0xf0) === 0x50 && bytes.length > 1 && startsLike(bytes.subarray(1), ZSTD_SKIPPABLE)) {
    return bytes.length < ZSTD.length ? null : "zstd";
  }
  return "none";
}
