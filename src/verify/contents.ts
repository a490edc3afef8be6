/** Looks into objects: their checksum, and with `deep` their lines. */
import { createHash, type Hash } from "node:crypto";
import type { ByteStream, Look } from "../codecs/byte_stream.ts";
import { detectCompression, MAGIC_BYTE_LENGTH } from "../codecs/detect_compression.ts";
import { UnpackedStream } from "../codecs/unpacked_stream.ts";
import { toHex } from "../runtime/hex.ts";

/** How far objects are looked at. */
export type Depth = "listing" | "checksums" | "deep";

/** What an object's contents turned out to be. */
export interface Contents {
  readonly byteLength: number;
  /** Hex. */
  readonly sha256: string;
  /** With "deep", if it could be unpacked. */
  readonly rows: { readonly lines: number; readonly rawByteLength: number } | null;
  /** With "deep": why the contents are no whole lines. */
  readonly damage: string | null;
}

const UNPACKED_BYTE_LENGTH = 256 * 1024;
const LF = 10;

/** Reads everything once, some bytes at a time. */
export async function readContents(chunks: AsyncIterable<Uint8Array>, depth: Depth): Promise<Contents> {
  const input = new HashedInput(chunks);
  try {
    const { rows, damage } = depth === "deep" ? await countLines(input) : { rows: null, damage: null };
    await input.drain();
    return { byteLength: input.byteLength, sha256: input.sha256(), rows, damage };
  } finally {
    await input.release();
  }
}

async function countLines(input: HashedInput): Promise<Pick<Contents, "rows" | "damage">> {
  const compression = detectCompression(await input.peek(MAGIC_BYTE_LENGTH)) ?? "none";
  const stream: ByteStream = compression === "none" ? input : new UnpackedStream(input, compression);
  const bytes = new Uint8Array(UNPACKED_BYTE_LENGTH);
  let lines = 0, rawByteLength = 0, last = LF;
  stream.finish();
  try {
    for (;;) {
      const byteLength = await stream.read(bytes);
      if (byteLength === 0) break;
      const unpacked = bytes.subarray(0, byteLength);
      for (let at = unpacked.indexOf(LF); at >= 0; at = unpacked.indexOf(LF, at + 1)) lines++;
      rawByteLength += byteLength;
      last = unpacked[byteLength - 1];
    }
  } catch (error) {
    if (input.failure !== null) throw input.failure;
    return { rows: null, damage: (error as Error).message };
  } finally {
    await stream.close();
  }
  if (input.failure !== null) throw input.failure;
  const damage = last === LF ? null : "it ends in the middle of a line";
  return { rows: { lines, rawByteLength }, damage };
}

/** Chunks as a stream, hashed as they pass. */
class HashedInput implements ByteStream {
  readonly ended = false;
  byteLength = 0;
  /** What reading ended with, since whoever unpacks may take it for damage. */
  failure: unknown = null;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #hash: Hash = createHash("sha256");
  #rest: Uint8Array = new Uint8Array(0);
  #done = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The first bytes, which are still to be read. */
  async peek(byteLength: number): Promise<Uint8Array> {
    while (this.#rest.length < byteLength) {
      const before = this.#rest;
      this.#rest = new Uint8Array(0);
      if (!await this.#more()) {
        this.#rest = before;
        break;
      }
      const both = new Uint8Array(before.length + this.#rest.length);
      both.set(before);
      both.set(this.#rest, before.length);
      this.#rest = both;
    }
    return this.#rest.subarray(0, byteLength);
  }

  async read(into: Uint8Array): Promise<number> {
    if (this.#rest.length === 0 && !await this.#more()) return 0;
    const part = this.#rest.subarray(0, into.length);
    into.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  /** Reads what is left, for the hash. */
  async drain(): Promise<void> {
    while (await this.#more());
  }

  /** Lets go of the chunks, read or not. */
  async release(): Promise<void> {
    if (!this.#done) await this.#chunks.return?.();
    this.#done = true;
  }

  sha256(): string {
    return toHex(this.#hash.digest());
  }

  look(): Promise<Look> {
    return Promise.resolve({ byteLength: UNPACKED_BYTE_LENGTH, timeMs: NaN });
  }

  skip(): Promise<number> {
    return Promise.resolve(0);
  }

  finish(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Takes the next chunk that has bytes. */
  async #more(): Promise<boolean> {
    while (!this.#done) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await this.#chunks.next();
      } catch (error) {
        this.#done = true;
        this.failure = error;
        throw error;
      }
      this.#done = next.done ?? false;
      if (this.#done || next.value.length === 0) continue;
      this.#hash.update(next.value);
      this.byteLength += next.value.length;
      this.#rest = next.value;
      return true;
    }
    return false;
  }
}
