import type { ByteStream, Look } from "../../codecs/byte_stream.ts";
import { detectCompression, MAGIC_BYTE_LENGTH } from "../../codecs/detect_compression.ts";
import { UnpackedStream } from "../../codecs/unpacked_stream.ts";

/** A stream that may be compressed and can't be looked into beforehand: its first bytes decide when they come. */
export class SniffedInput implements ByteStream {
  readonly #source: WithHead;
  #stream: ByteStream | null = null;

  constructor(source: ByteStream) {
    this.#source = new WithHead(source);
  }

  get ended(): boolean {
    return this.#stream?.ended ?? false;
  }

  look(): Promise<Look> {
    return (this.#stream ?? this.#source).look();
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#stream === null) {
      const compression = detectCompression(await this.#source.peek(MAGIC_BYTE_LENGTH)) ?? "none";
      this.#stream = compression === "none" ? this.#source : new UnpackedStream(this.#source, compression);
    }
    return await this.#stream.read(into);
  }

  skip(): Promise<number> {
    return Promise.resolve(0); // it can't be read again, so nobody goes on within it
  }

  finish(): void {}

  close(): Promise<void> {
    return (this.#stream ?? this.#source).close();
  }
}

/** A stream whose first bytes can be looked at before they are read. */
class WithHead implements ByteStream {
  readonly #source: ByteStream;
  #head = new Uint8Array(0);

  constructor(source: ByteStream) {
    this.#source = source;
  }

  get ended(): boolean {
    return this.#head.length === 0 && this.#source.ended;
  }

  /** The first bytes: `byteLength` of them, fewer when the stream ends before. */
  async peek(byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
    const head = new Uint8Array(byteLength);
    let length = 0;
    for (let came = -1; came !== 0 && length < byteLength; length += came) {
      came = await this.#source.read(head.subarray(length));
    }
    return this.#head = head.subarray(0, length);
  }

  look(): Promise<Look> {
    return this.#source.look();
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#head.length === 0) return await this.#source.read(into);
    const part = this.#head.subarray(0, into.length);
    into.set(part);
    this.#head = this.#head.subarray(part.length);
    return part.length;
  }

  skip(): Promise<number> {
    return Promise.resolve(0);
  }

  finish(): void {}

  close(): Promise<void> {
    return this.#source.close();
  }
}
