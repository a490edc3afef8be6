import type { ByteStream } from "./byte_stream.ts";

/** Small, since what a damaged piece held before the damage may be lost with it. */
const READ_BYTE_LENGTH = 32 * 1024;

/** Yielded by decoders that need more bytes than there are. */
export const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** What decoders read: `bytes` from `at` on, which they move. More comes when they have yielded NOTHING. */
export class PackedInput {
  bytes: Uint8Array;
  at = 0;
  /** Whether nothing can come any more. */
  atEnd: boolean;
  /** Whether the source had nothing when it was asked last. */
  isDry = false;
  /** Whether `more` leaves the source alone, which may keep one waiting. */
  isHeld = false;
  readonly #source: ByteStream | null;
  #isFinal = false;
  /** Bytes that were before `bytes`. */
  #droppedByteLength = 0;

  /** @param from where the bytes come from; or all there are. */
  constructor(from: ByteStream | Uint8Array) {
    this.#source = from instanceof Uint8Array ? null : from;
    this.bytes = from instanceof Uint8Array ? from : NOTHING;
    this.atEnd = this.#source === null;
  }

  /** Bytes used since the beginning. */
  get position(): number {
    return this.#droppedByteLength + this.at;
  }

  /** Nothing will be appended to the source any more. */
  finish(): void {
    this.#isFinal = true;
  }

  /** Reads one piece more behind what wasn't used. False when there is none for now. */
  async more(): Promise<boolean> {
    if (this.isHeld) return false;
    const source = this.#source!, isFinal = this.#isFinal;
    const rest = this.bytes.subarray(this.at);
    const bytes = new Uint8Array(rest.length + Math.max(READ_BYTE_LENGTH, rest.length >> 1));
    bytes.set(rest);
    const byteLength = await source.read(bytes.subarray(rest.length));
    this.bytes = bytes.subarray(0, rest.length + byteLength);
    this.#droppedByteLength += this.at;
    this.at = 0;
    this.isDry = byteLength === 0;
    this.atEnd = this.isDry && (isFinal || source.ended);
    return byteLength > 0;
  }

  /** Goes on when there are so many bytes; false at the end, with none left. */
  *has(byteLength: number): Generator<Uint8Array, boolean> {
    while (this.bytes.length - this.at < byteLength) {
      if (!this.atEnd) yield NOTHING;
      else if (this.at === this.bytes.length) return false;
      else throw new CutOff();
    }
    return true;
  }

  /** Goes on when there are so many bytes. */
  *need(byteLength: number): Generator<Uint8Array, void> {
    if (!(yield* this.has(byteLength))) throw new CutOff();
  }
}

/** Feeds a decoder that yields NOTHING where it needs more; yields NOTHING itself while there is none. */
export async function* feeding<T>(input: PackedInput, parts: Generator<Uint8Array, T>): AsyncGenerator<Uint8Array, T> {
  for (let isStalled = false;;) {
    const { value, done } = parts.next();
    if (done) return value;
    if (value.length > 0) {
      yield value;
      isStalled = false;
      continue;
    }
    if (isStalled) yield NOTHING; // it can't go on without more, either
    isStalled = !await input.more();
  }
}

/**
 * What all parts of whole bytes are together.
 *
 * @throws RangeError when that is more than `maxByteLength`.
 */
export function joinParts(parts: Iterable<Uint8Array>, maxByteLength: number): Uint8Array {
  const all: Uint8Array[] = [];
  let byteLength = 0;
  for (const part of parts) {
    byteLength += part.length;
    if (byteLength > maxByteLength) throw new RangeError(`more than ${maxByteLength} bytes`);
    all.push(part);
  }
  if (all.length === 1) return all[0];
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The bytes end before the packed data does. */
export class CutOff extends RangeError {
  constructor() {
    super("it ends in the middle: it is truncated");
    this.name = "CutOff";
  }
}
