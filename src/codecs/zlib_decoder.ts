import type { Transform } from "node:stream";

/** Bytes of a part that it gives: the most that is unpacked ahead of the reader, whatever the compression ratio. */
export const UNPACK_BYTE_LENGTH = 256 * 1024;

/** A streaming decoder of node:zlib, as a function from pieces to parts. */
export class ZlibDecoder {
  readonly #decoder: Transform & { readonly bytesWritten?: number };
  #fedByteLength = 0;
  #error: Error | null = null;
  #ended = false;
  /** Something happened since we looked, and who waits for that. */
  #changed = false;
  #wake: (() => void) | null = null;

  /** Takes the decoder over, with `chunkSize` set to UNPACK_BYTE_LENGTH: `close` destroys it. */
  constructor(decoder: Transform) {
    this.#decoder = decoder;
    decoder.on("readable", () => this.#notify());
    decoder.on("end", () => {
      this.#ended = true;
      this.#notify();
    });
    decoder.on("error", (error: Error) => {
      this.#error ??= error;
      this.#notify();
    });
  }

  /** Bytes that it was given and that it didn't take, since the data ends before them. */
  get unusedByteLength(): number {
    return this.#fedByteLength - (this.#decoder.bytesWritten ?? this.#fedByteLength);
  }

  /** What the piece unpacks to. @throws zlib's error. */
  async *write(piece: Uint8Array): AsyncGenerator<Uint8Array, void> {
    let isBusy = true;
    this.#fedByteLength += piece.length;
    this.#decoder.write(piece, () => {
      isBusy = false;
      this.#notify();
    });
    yield* this.#parts(() => isBusy);
  }

  /** What is left at the end. @throws zlib's error, also when the data isn't complete. */
  async *end(): AsyncGenerator<Uint8Array, void> {
    this.#decoder.end();
    yield* this.#parts(() => true);
  }

  close(): void {
    this.#error ??= new Error("closed");
    this.#decoder.destroy();
    this.#notify();
  }

  async *#parts(isBusy: () => boolean): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const part = this.#decoder.read() as Uint8Array | null;
      if (part !== null) yield part;
      else if (this.#error !== null) throw this.#error;
      else if (this.#ended || !isBusy()) return;
      else await this.#happened();
    }
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
