import { gunzipSync } from "node:zlib";
import { decompressLz4 } from "../../../codecs/lz4.ts";
import { decompressSnappy } from "../../../codecs/snappy.ts";
import { decompressZstd } from "../../../codecs/zstd.ts";

/** A record batch may not become larger than this: it would be a bomb, not data. */
export const MAX_DECOMPRESSED_BYTE_LENGTH = 512 << 20;

const CODECS: readonly (((bytes: Uint8Array, maxByteLength: number) => Uint8Array) | undefined)[] = [
  undefined,
  (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
  decompressSnappy,
  decompressLz4,
  decompressZstd,
];

const NAMES = ["none", "gzip", "snappy", "lz4", "zstd"];

/**
 * What a batch's records were before compression. `codec` is the number in its attributes; 0 returns `bytes` itself.
 *
 * @throws RangeError or zlib's error when they are cut off or damaged, or the codec is unknown.
 */
export function decompress(codec: number, bytes: Uint8Array, maxByteLength = MAX_DECOMPRESSED_BYTE_LENGTH): Uint8Array {
  if (codec === 0) return bytes;
  const run = CODECS[codec];
  if (run === undefined) throw new RangeError(`compression codec ${codec} is unknown`);
  try {
    return run(bytes, maxByteLength);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_BUFFER_TOO_LARGE") throw error;
    throw new RangeError(`${NAMES[codec]}: more than the ${maxByteLength} bytes allowed`, { cause: error });
  }
}
