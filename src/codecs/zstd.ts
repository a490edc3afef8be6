import { createZstdDecompress, zstdDecompressSync } from "node:zlib";
import { CutOff, joinParts, NOTHING, type PackedInput } from "./packed_input.ts";
import { UNPACK_BYTE_LENGTH, ZlibDecoder } from "./zlib_decoder.ts";
import { ZstdBlocks } from "./zstd_blocks.ts";

/** @throws Error when the bytes are no whole frames, or would give more than `maxByteLength`. */
export function decompressZstd(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  return joinParts(frames(bytes, maxByteLength), maxByteLength);
}

/** The contents of each frame (see zstd_blocks.ts for why they are looked for here). */
function* frames(bytes: Uint8Array, maxByteLength: number): Generator<Uint8Array, void> {
  const blocks = new ZstdBlocks();
  let left = maxByteLength;
  for (let start = 0, at = 0; start < bytes.length; start = at) {
    do at = blocks.advance(bytes, at); while (!blocks.atFrameEnd && at < bytes.length);
    if (!blocks.atFrameEnd) throw new CutOff();
    if ((bytes[start] & 0xf0) === 0x50) continue; // a frame of other things
    const part = zstdDecompressSync(bytes.subarray(start, at), { maxOutputLength: Math.max(1, left) });
    left -= part.length;
    yield part;
  }
}

/** The contents, one block after the other; empty parts where there is no more for now. */
export async function* unpackZstd(input: PackedInput): AsyncGenerator<Uint8Array, void> {
  const blocks = new ZstdBlocks();
  const decoder = new ZlibDecoder(createZstdDecompress({ chunkSize: UNPACK_BYTE_LENGTH }));
  try {
    for (;;) {
      const { bytes, at } = input;
      if (at < bytes.length) {
        input.at = blocks.advance(bytes, at);
        yield* decoder.write(bytes.subarray(at, input.at));
      } else if (input.atEnd) break;
      else if (!await input.more() && !input.atEnd) yield NOTHING;
    }
    if (!blocks.atFrameEnd) throw new CutOff();
    yield* decoder.end();
  } finally {
    decoder.close();
  }
}
