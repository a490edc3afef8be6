import type { Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { ByteStream, Look } from "./byte_stream.ts";
import { GzipInput, type PackedInput, ZstdInput } from "./packed_input.ts";

/** The most that is unpacked ahead of the reader, whatever the compression ratio. */
const UNPACK_BYTE_LENGTH = 256 * 1024;
const READ_BYTE_LENGTH = 1024 * 1024;

/**
 * The contents of a gzip or zstd stream, decoded by node:zlib as they are asked for. Positions are those of the unpacked
 * bytes. All gzip members and zstd frames are read; when the end is final and the data is not complete, what was there
 * comes first, then `read` fails.
 */
export class UnpackedStream implements ByteStream {
  readonly #source: ByteStream;
  readonly #input: PackedInput;
  readonly #decoder: Transform;
  /** Unpacked, not read yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #final = false;
  #error: Error | null = null;
  /** The decoder works on a piece of input. */
  #busy = false;
  #ended = false;
  #closed = false;
  /** Something happened since we looked, and who waits for that. */
  #changed = false;
  #wake: (() => void) | null = null;

  /** Takes `source` over, which stands at its beginning. */
  constructor(source: ByteStream, compression: "gzip" | "zstd") {
    this.#source = source;
    this.#input = compression === "gzip" ? new GzipInput(source) : new ZstdInput(source);
    const options = { chunkSize: UNPACK_BYTE_LENGTH };
    this.#decoder = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
    this.#decoder.on("readable", () => this.#notify());
    this.#decoder.on("end", () => {
      this.#ended = true;
      this.#notify();
    });
    this.#decoder.on("error", (error: Error & { code?: string }) => {
      this.#error ??= error.code === "Z_BUF_ERROR"
        ? new Error(`its ${compression} data ends in the middle: it is truncated`, { cause: error })
        : new Error(`its ${compression} data is damaged: ${error.message}`, { cause: error });
      this.#notify();
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  async look(): Promise<Look> {
    return { byteLength: READ_BYTE_LENGTH, timeMs: (await this.#source.look()).timeMs };
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    let byteLength = 0;
    while (byteLength < into.length) {
      if (this.#rest.length === 0) this.#rest = this.#decoder.read() as Uint8Array | null ?? this.#rest;
      if (this.#rest.length > 0) {
        const part = this.#rest.subarray(0, into.length - byteLength);
        into.set(part, byteLength);
        byteLength += part.length;
        this.#rest = this.#rest.subarray(part.length);
      } else if (this.#error !== null) {
        if (byteLength > 0) break; // first what was unpacked, the error with the next read
        throw this.#error;
      } else if (this.#ended) {
        break;
      } else if (this.#busy) {
        await this.#happened();
      } else if (byteLength > 0 || !await this.#feed()) {
        break;
      }
    }
    return byteLength;
  }

  async skip(byteLength: number): Promise<number> {
    const scratch = new Uint8Array(READ_BYTE_LENGTH);
    let skipped = 0;
    while (skipped < byteLength) {
      const came = await this.read(scratch.subarray(0, Math.min(scratch.length, byteLength - skipped)));
      if (came === 0) break;
      skipped += came;
    }
    return skipped;
  }

  finish(): void {
    this.#final = true;
    this.#source.finish();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#error ??= new Error("closed");
    this.#notify();
    this.#decoder.destroy();
    await this.#source.close();
  }

  /** Gives the decoder something to do. False when there is nothing for now. */
  async #feed(): Promise<boolean> {
    const piece = await this.#input.next();
    if (this.#closed) return false;
    if (piece !== null) {
      this.#busy = true;
      this.#decoder.write(piece, () => {
        this.#busy = false;
        this.#notify();
      });
      return true;
    }
    if (!this.#final && !this.#source.ended) return false;
    if (this.#input.incomplete !== null) throw new Error(this.#input.incomplete);
    this.#busy = true; // until "end" or "error"
    this.#decoder.end();
    return true;
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  async #happened(): Promise<void> {
    if (!this.#changed) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = null;
    this.#changed = false;
  }
}
