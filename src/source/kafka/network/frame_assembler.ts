/** The bytes of a length. */
const LENGTH_BYTE_LENGTH = 4;
/** No broker sends so much: it is something else that speaks. */
const MAX_FRAME_BYTE_LENGTH = 2 ** 30 + 2 ** 24;

/**
 * Puts what a broker sends together into frames: a length (INT32), then so many bytes. kafkajs would put each chunk into
 * a list and copy the list twice; of ours each byte is copied once, and a frame can be released as a whole.
 */
export class FrameAssembler {
  readonly #onFrame: (frame: Uint8Array<ArrayBuffer>) => void;
  readonly #length = new Uint8Array(LENGTH_BYTE_LENGTH);
  #lengthByteLength = 0;
  /** The frame that has begun, with its length. */
  #frame: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;

  /** @param onFrame gets each frame, its length at its beginning, alone in its buffer, to keep. */
  constructor(onFrame: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.#onFrame = onFrame;
  }

  /**
   * Takes the next bytes; they stay the caller's.
   *
   * @throws RangeError when a length can't be one; nothing that follows makes sense then.
   */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#frame === null) {
        const missing = LENGTH_BYTE_LENGTH - this.#lengthByteLength;
        const part = bytes.subarray(at, at + missing);
        this.#length.set(part, this.#lengthByteLength);
        this.#lengthByteLength += part.length;
        at += part.length;
        if (this.#lengthByteLength < LENGTH_BYTE_LENGTH) return;
        this.#frame = newFrame(this.#length);
        this.#filled = LENGTH_BYTE_LENGTH;
        this.#lengthByteLength = 0;
      }
      const frame = this.#frame;
      const part = bytes.subarray(at, at + frame.length - this.#filled);
      frame.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < frame.length) return;
      this.#frame = null;
      this.#onFrame(frame);
    }
  }
}

function newFrame(length: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const byteLength = new DataView(length.buffer).getInt32(0);
  if (byteLength < 0 || byteLength > MAX_FRAME_BYTE_LENGTH) {
    throw new RangeError(`an answer of ${byteLength >>> 0} bytes was announced: this is no Kafka broker's`);
  }
  const frame = new Uint8Array(LENGTH_BYTE_LENGTH + byteLength);
  frame.set(length);
  return frame;
}
