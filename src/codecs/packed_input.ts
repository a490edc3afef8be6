import type { ByteStream } from "./byte_stream.ts";
import { ZstdBlocks } from "./zstd_blocks.ts";

/** Small, since what a damaged piece held before the damage is lost with it. */
const READ_BYTE_LENGTH = 32 * 1024;

/** Compressed bytes, in pieces that a decoder takes as they are. */
export interface PackedInput {
  /** The next piece; null at the end for now. It is the receiver's until the next call. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Why the bytes up to here can't be all there is; null when they can, or when the decoder finds out. */
  readonly incomplete: string | null;
}

/** gzip members may follow each other in any pieces: node:zlib goes on by itself and finds truncation. */
export class GzipInput implements PackedInput {
  readonly incomplete = null;
  readonly #source: ByteStream;

  constructor(source: ByteStream) {
    this.#source = source;
  }

  next(): Promise<Uint8Array<ArrayBuffer> | null> {
    return readPiece(this.#source);
  }
}

/** A piece is a zstd block at the most (see zstd_blocks.ts for why). */
export class ZstdInput implements PackedInput {
  readonly #source: ByteStream;
  readonly #blocks = new ZstdBlocks();
  #piece: Uint8Array<ArrayBuffer> | null = null;
  #at = 0;

  constructor(source: ByteStream) {
    this.#source = source;
  }

  get incomplete(): string | null {
    return this.#blocks.atFrameEnd ? null : "its zstd data ends in the middle of a frame: it is truncated";
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#piece === null || this.#at === this.#piece.length) {
      this.#piece = await readPiece(this.#source);
      this.#at = 0;
      if (this.#piece === null) return null;
    }
    const start = this.#at;
    this.#at = this.#blocks.advance(this.#piece, start);
    return this.#piece.subarray(start, this.#at);
  }
}

async function readPiece(source: ByteStream): Promise<Uint8Array<ArrayBuffer> | null> {
  const piece = new Uint8Array(READ_BYTE_LENGTH);
  const byteLength = await source.read(piece);
  return byteLength === 0 ? null : piece.subarray(0, byteLength);
}
