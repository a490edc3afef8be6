import { type ContainerHeader, isContainer, readHeader } from "../../avro/container.ts";
import type { ByteStream } from "../../codecs/byte_stream.ts";

/** "Obj" and the version of the format. */
const MAGIC = [0x4f, 0x62, 0x6a, 1];
const READ_BYTE_LENGTH = 64 * 1024;

/** The first bytes of a stream, read until they say what the stream is. */
export class FileBeginning {
  #bytes = new Uint8Array(0);

  /** What was read so far, from the stream's first byte on. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /**
   * Reads on. Undefined when the stream ends for now before one can tell; null when these are no Avro blocks.
   *
   * @param isFinal whether nothing can come after the end.
   * @throws Error when the header of a container file is damaged or, at the final end, not whole.
   */
  async read(stream: ByteStream, isFinal: () => boolean): Promise<ContainerHeader | null | undefined> {
    while (this.#bytes.length < MAGIC.length) {
      if (await this.#more(stream, MAGIC.length - this.#bytes.length)) {
        if (this.#bytes.every((byte, i) => byte === MAGIC[i])) continue;
        return null; // also when it is shorter: a file may hold no more than "{}"
      }
      return isFinal() ? null : undefined;
    }
    if (!isContainer(this.#bytes, 0, this.#bytes.length)) return null;
    for (;;) {
      const header = readHeader(this.#bytes);
      if (header !== null) return header;
      if (await this.#more(stream, READ_BYTE_LENGTH)) continue;
      if (isFinal()) throw new Error("it ends in the header of an Avro container file: it is truncated");
      return undefined;
    }
  }

  async #more(stream: ByteStream, byteLength: number): Promise<boolean> {
    const into = new Uint8Array(byteLength);
    const came = await stream.read(into);
    const all = new Uint8Array(this.#bytes.length + came);
    all.set(this.#bytes);
    all.set(into.subarray(0, came), this.#bytes.length);
    this.#bytes = all;
    return came > 0;
  }
}
