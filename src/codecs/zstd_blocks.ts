/**
 * Where the blocks of zstd frames end (RFC 8878, section 3.1), without decoding them:
 *
 *     frame:     magic 4 | descriptor 1 | rest of the header 0..13 | blocks: header 3, contents | checksum 0 or 4
 *     skippable: magic 4 (0x184D2A50 to 5F) | byte length 4 | contents
 *
 * node:zlib must be fed like this because in Deno (2.7 to 2.9) it decodes only the first of several frames in a piece of
 * input, takes a truncated frame for whole, and ends the process by an uncaught error when damage is found anywhere but
 * in the first step of a piece.
 */
const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTE_LENGTHS = [0, 1, 2, 4];
const CONTENT_SIZE_BYTE_LENGTHS = [0, 2, 4, 8];
const RESERVED_BLOCK = 3, REPEATED_BYTE_BLOCK = 1;

type Field = "magic" | "skippable length" | "descriptor" | "block header" | "checksum";

const FIELD_BYTE_LENGTHS: Readonly<Record<Field, number>> = {
  "magic": 4,
  "skippable length": 4,
  "descriptor": 1,
  "block header": 3,
  "checksum": 4,
};

export class ZstdBlocks {
  /** Bytes to pass over before the next field. */
  #toPass = 0;
  /** The field that comes after them, of which `#valueByteLength` bytes are in `#value` (little-endian). */
  #field: Field = "magic";
  #value = 0;
  #valueByteLength = 0;
  #hasChecksum = false;
  /** What is being passed over is a block, or the last thing of a frame. */
  #endsPiece = false;

  /** True at the beginning and after a whole frame. */
  get atFrameEnd(): boolean {
    return this.#field === "magic" && this.#valueByteLength === 0 && this.#toPass === 0;
  }

  /**
   * Goes over bytes to the end of a block, a checksum or a skippable frame.
   *
   * @returns the index after it, or bytes.length when it goes on.
   * @throws Error when these are no zstd frames.
   */
  advance(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      if (this.#toPass > 0) {
        const passed = Math.min(this.#toPass, bytes.length - at);
        this.#toPass -= passed;
        at += passed;
      } else {
        this.#collect(bytes[at++]);
      }
      if (this.#endsPiece && this.#toPass === 0) {
        this.#endsPiece = false;
        return at;
      }
    }
    return at;
  }

  #collect(byte: number): void {
    this.#value += byte * 2 ** (8 * this.#valueByteLength++);
    if (this.#valueByteLength < FIELD_BYTE_LENGTHS[this.#field]) return;
    const value = this.#value;
    this.#value = 0;
    this.#valueByteLength = 0;
    this.#understand(value);
  }

  #understand(value: number): void {
    switch (this.#field) {
      case "magic":
        if (value === MAGIC) this.#field = "descriptor";
        else if (value - value % 16 === SKIPPABLE_MAGIC) this.#field = "skippable length";
        else throw new Error("what follows its last zstd frame is no zstd frame");
        return;
      case "skippable length":
        return this.#pass(value, "magic");
      case "descriptor":
        this.#hasChecksum = (value & 4) !== 0;
        this.#toPass = headerRestByteLength(value);
        this.#field = "block header";
        return;
      case "block header":
        return this.#understandBlock(value);
      case "checksum":
        return this.#pass(0, "magic");
    }
  }

  #understandBlock(header: number): void {
    const isLast = (header & 1) !== 0, type = (header >> 1) & 3, byteLength = header >> 3;
    if (type === RESERVED_BLOCK) throw new Error("its zstd data is damaged: a block of an unknown type");
    const next = !isLast ? "block header" : this.#hasChecksum ? "checksum" : "magic";
    this.#pass(type === REPEATED_BYTE_BLOCK ? 1 : byteLength, next);
  }

  #pass(byteLength: number, next: Field): void {
    this.#toPass = byteLength;
    this.#endsPiece = true;
    this.#field = next;
  }
}

function headerRestByteLength(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0, contentSizeFlag = descriptor >> 6;
  const contentSize = contentSizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTE_LENGTHS[contentSizeFlag];
  return (isSingleSegment ? 0 : 1) + DICTIONARY_ID_BYTE_LENGTHS[descriptor & 3] + contentSize;
}
