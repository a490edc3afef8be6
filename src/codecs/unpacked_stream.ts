import { RetriableError } from "../runtime/errors.ts";
import type { ByteStream, Look } from "./byte_stream.ts";
import { unpackBzip2 } from "./bzip2.ts";
import type { Compression } from "./detect_compression.ts";
import { unpackGzip } from "./gzip.ts";
import { CutOff, feeding, NOTHING, PackedInput } from "./packed_input.ts";
import { unpackXz } from "./xz.ts";
import { unpackZstd } from "./zstd.ts";

const READ_BYTE_LENGTH = 1024 * 1024;

type Decoder = (input: PackedInput) => AsyncGenerator<Uint8Array, void>;

/** They give what they unpack in parts, and an empty one where there is no more for now. */
const DECODERS: Readonly<Record<Exclude<Compression, "none" | keyof typeof REFUSALS>, Decoder>> = {
  gzip: unpackGzip,
  zstd: unpackZstd,
  bzip2: (input) => feeding(input, unpackBzip2(input)),
  xz: (input) => feeding(input, unpackXz(input)),
};
/** What is known by its beginning, and not read. */
const REFUSALS = {
  "zip": "it is a zip archive, which isn't read: unpack it first",
  "UTF-16": "its text is UTF-16, which isn't read: make it UTF-8 first (iconv -f UTF-16 -t UTF-8)",
};

/**
 * The contents of a packed stream, unpacked as they are asked for. Positions are those of the unpacked bytes. All members,
 * frames and streams are read; when the end is final and the data is not complete, or something else follows it, what was
 * there comes first, then `read` fails.
 */
export class UnpackedStream implements ByteStream {
  readonly #source: ByteStream;
  readonly #compression: Compression;
  readonly #input: PackedInput;
  readonly #parts: AsyncGenerator<Uint8Array, void> | null;
  /** Unpacked, not read yet. */
  #rest: Uint8Array = NOTHING;
  #error: Error | null = null;
  #ended = false;
  #closed = false;

  /** Takes `source` over, which stands at its beginning. */
  constructor(source: ByteStream, compression: Exclude<Compression, "none">) {
    this.#source = source;
    this.#compression = compression;
    this.#input = new PackedInput(source);
    const isRefused = compression === "zip" || compression === "UTF-16";
    this.#parts = isRefused ? null : DECODERS[compression](this.#input);
    if (isRefused) this.#error = new Error(REFUSALS[compression]);
  }

  get ended(): boolean {
    return this.#ended;
  }

  async look(): Promise<Look> {
    return { byteLength: READ_BYTE_LENGTH, timeMs: (await this.#source.look()).timeMs };
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    let byteLength = 0;
    for (this.#input.isHeld = false; byteLength < into.length; this.#input.isHeld = true) {
      if (this.#rest.length === 0) {
        const { part, error } = await this.#next();
        if (error !== null && byteLength === 0) throw error; // else with the next read: first what was unpacked
        if (part.length === 0) break;
        this.#rest = part;
      }
      const part = this.#rest.subarray(0, into.length - byteLength);
      into.set(part, byteLength);
      byteLength += part.length;
      this.#rest = this.#rest.subarray(part.length);
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
    this.#input.finish();
    this.#source.finish();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#error ??= new Error("closed");
    this.#parts?.return().catch(() => {}); // whoever reads gets the error
    await this.#source.close();
  }

  /** The next part; empty when there is none for now, or at the end. */
  async #next(): Promise<{ part: Uint8Array; error: Error | null }> {
    if (this.#parts === null || this.#error !== null || this.#ended) return { part: NOTHING, error: this.#error };
    try {
      const { value, done } = await this.#parts.next();
      this.#ended = done ?? false;
      return { part: value ?? NOTHING, error: null };
    } catch (error) {
      if (error instanceof RetriableError) return { part: NOTHING, error: this.#error ??= error }; // of what is unpacked
      const { message, code } = error as Error & { code?: string };
      const what = error instanceof CutOff || code === "Z_BUF_ERROR"
        ? "ends in the middle: it is truncated"
        : `is damaged: ${message}`;
      this.#error ??= new Error(`its ${this.#compression} data ${what}`, { cause: error });
      return { part: NOTHING, error: this.#error };
    }
  }
}
