/** Decodes LZMA2 (after Igor Pavlov's "LZMA specification" in the LZMA SDK, and the chunk headers of xz's LZMA2 filter). */
import { NOTHING, type PackedInput } from "./packed_input.ts";

/** Larger windows, of which matches are copied, are refused: xz -9 takes as much. */
export const MAX_WINDOW_BYTE_LENGTH = 64 * 1024 * 1024;
/** A chunk's contents at the most. */
const MAX_CHUNK_BYTE_LENGTH = 2 * 1024 * 1024;

const STATES = 12, POSITION_STATES = 16;
const MIN_MATCH = 2;
const END_POSITION_MODEL = 14, ALIGN_BITS = 4, FULL_DISTANCES = 128;
const PROBABILITY_BITS = 11, MOVE_BITS = 5, TOP = 2 ** 24;

/**
 * The contents of chunks, one after the other, up to the mark of their end. Yields NOTHING where it needs more.
 *
 * @param windowByteLength how far matches reach back.
 * @throws RangeError when they are damaged or cut off.
 */
export function* unpackLzma2(input: PackedInput, windowByteLength: number): Generator<Uint8Array, void> {
  const decoder = new Lzma2Decoder(windowByteLength);
  for (;;) {
    yield* input.need(1);
    const byteLength = yield* chunkByteLength(input);
    yield* input.need(byteLength);
    const chunk = input.bytes.subarray(input.at, input.at + byteLength);
    input.at += byteLength;
    if (chunk[0] === 0) return;
    yield decoder.decodeChunk(chunk);
  }
}

/** Of the chunk that begins at `input.at`, with its header. */
function* chunkByteLength(input: PackedInput): Generator<Uint8Array, number> {
  const control = input.bytes[input.at];
  if (control === 0) return 1;
  if (control > 2 && control < 0x80) throw new RangeError("lzma2: no chunk");
  yield* input.need(5);
  const { bytes, at } = input;
  if (control <= 2) return 3 + (bytes[at + 1] << 8) + bytes[at + 2] + 1;
  return (control >= 0xc0 ? 6 : 5) + (bytes[at + 3] << 8) + bytes[at + 4] + 1;
}

function probabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(1 << (PROBABILITY_BITS - 1));
}

/** Lengths of matches, and of repeated ones. */
class LengthModel {
  readonly choices = probabilities(2);
  readonly low = probabilities(POSITION_STATES * 8);
  readonly middle = probabilities(POSITION_STATES * 8);
  readonly high = probabilities(256);

  reset(): void {
    for (const part of [this.choices, this.low, this.middle, this.high]) part.fill(1 << (PROBABILITY_BITS - 1));
  }
}

class Lzma2Decoder {
  /** The window, then the chunk's contents. */
  #out: Uint8Array = NOTHING;
  #length = 0;
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  readonly #windowByteLength: number;
  /** Matches may reach back to here; below zero when that has left the window. */
  #dictionaryStart = 0;
  #range = 0;
  #code = 0;
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  readonly #repeats = [0, 0, 0, 0];
  #hasProperties = false;
  #literals = probabilities(0x300 << 4);
  readonly #isMatch = probabilities(STATES * POSITION_STATES);
  readonly #isRepeat = probabilities(STATES);
  readonly #isRepeat0 = probabilities(STATES);
  readonly #isRepeat1 = probabilities(STATES);
  readonly #isRepeat2 = probabilities(STATES);
  readonly #isRepeat0Long = probabilities(STATES * POSITION_STATES);
  readonly #slots = probabilities(4 * 64);
  readonly #positions = probabilities(1 + FULL_DISTANCES - END_POSITION_MODEL);
  readonly #align = probabilities(1 << ALIGN_BITS);
  readonly #matchLengths = new LengthModel();
  readonly #repeatLengths = new LengthModel();

  constructor(windowByteLength: number) {
    this.#windowByteLength = windowByteLength;
  }

  /** @param chunk with its header. */
  decodeChunk(chunk: Uint8Array): Uint8Array {
    const control = chunk[0];
    this.#bytes = chunk;
    this.#at = 1;
    if (control === 1 || control >= 0xe0) this.#dictionaryStart = this.#length;
    const byteLength = (control >= 0x80 ? (control & 0x1f) << 16 : 0) + (chunk[1] << 8) + chunk[2] + 1;
    this.#reserve(byteLength);
    const start = this.#length;
    if (control < 0x80) {
      this.#out.set(chunk.subarray(3), start);
      this.#length += byteLength;
    } else {
      this.#lzmaChunk(control, start + byteLength);
    }
    return this.#out.slice(start, this.#length);
  }

  #lzmaChunk(control: number, end: number): void {
    const bytes = this.#bytes;
    const reset = (control >> 5) & 3;
    this.#at = 5;
    if (reset >= 2) this.#setProperties(bytes[this.#at++]);
    if (!this.#hasProperties) throw new RangeError("lzma2: a chunk without properties");
    if (reset >= 1) this.#resetState();
    if (bytes.length - this.#at < 5) throw new RangeError("lzma2: a chunk is shorter than its data");
    this.#at++; // the range coder's first byte is always 0
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | bytes[this.#at++]) >>> 0;
    this.#decode(end);
    if (this.#at !== bytes.length) throw new RangeError("lzma2: a chunk is longer than its data");
  }

  #setProperties(byte: number): void {
    if (byte >= 9 * 5 * 5) throw new RangeError("lzma2: no such properties");
    this.#literalContextBits = byte % 9;
    const rest = Math.floor(byte / 9);
    const literalPositionBits = rest % 5;
    if (this.#literalContextBits + literalPositionBits > 4) throw new RangeError("lzma2: no such properties");
    this.#literalPositionMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << Math.floor(rest / 5)) - 1;
    this.#hasProperties = true;
  }

  #resetState(): void {
    this.#state = 0;
    this.#repeats.fill(0);
    for (
      const part of [
        this.#literals,
        this.#isMatch,
        this.#isRepeat,
        this.#isRepeat0,
        this.#isRepeat1,
        this.#isRepeat2,
        this.#isRepeat0Long,
        this.#slots,
        this.#positions,
        this.#align,
      ]
    ) part.fill(1 << (PROBABILITY_BITS - 1));
    this.#matchLengths.reset();
    this.#repeatLengths.reset();
  }

  /** Room for so many bytes more; drops what is before the window. */
  #reserve(byteLength: number): void {
    const needed = this.#length + byteLength;
    if (needed <= this.#out.length) return;
    const surplus = this.#length - this.#windowByteLength;
    if (surplus >= MAX_CHUNK_BYTE_LENGTH) {
      this.#out.copyWithin(0, surplus, this.#length);
      this.#length -= surplus;
      this.#dictionaryStart -= surplus;
    } else {
      const most = this.#windowByteLength + 2 * MAX_CHUNK_BYTE_LENGTH;
      const larger = new Uint8Array(Math.max(needed, Math.min(most, 2 * this.#out.length)));
      larger.set(this.#out.subarray(0, this.#length));
      this.#out = larger;
    }
  }

  #normalize(): void {
    if (this.#range >= TOP) return;
    if (this.#at >= this.#bytes.length) throw new RangeError("lzma2: a chunk is shorter than its data");
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#bytes[this.#at++]) >>> 0;
  }

  #bit(model: Uint16Array, index: number): number {
    this.#normalize();
    const probability = model[index];
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      model[index] = probability + (((1 << PROBABILITY_BITS) - probability) >> MOVE_BITS);
      return 0;
    }
    this.#range = (this.#range - bound) >>> 0;
    this.#code = (this.#code - bound) >>> 0;
    model[index] = probability - (probability >> MOVE_BITS);
    return 1;
  }

  #tree(model: Uint16Array, offset: number, bits: number): number {
    let index = 1;
    for (let i = 0; i < bits; i++) index = (index << 1) | this.#bit(model, offset + index);
    return index - (1 << bits);
  }

  #reverseTree(model: Uint16Array, offset: number, bits: number): number {
    let index = 1, value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(model, offset + index);
      index = (index << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  #directBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#normalize();
      this.#range >>>= 1;
      const isSet = this.#code >= this.#range;
      if (isSet) this.#code = (this.#code - this.#range) >>> 0;
      value = value * 2 + (isSet ? 1 : 0);
    }
    return value;
  }

  #decode(end: number): void {
    const repeats = this.#repeats;
    while (this.#length < end) {
      const positionState = (this.#length - this.#dictionaryStart) & this.#positionMask;
      const state = this.#state;
      if (this.#bit(this.#isMatch, state * POSITION_STATES + positionState) === 0) {
        this.#literal();
        continue;
      }
      let length: number;
      if (this.#bit(this.#isRepeat, state) === 0) {
        length = this.#readLength(this.#matchLengths, positionState);
        repeats.pop();
        repeats.unshift(this.#readDistance(length));
        this.#state = state < 7 ? 7 : 10;
      } else if (this.#bit(this.#isRepeat0, state) === 0) {
        const isLong = this.#bit(this.#isRepeat0Long, state * POSITION_STATES + positionState) === 1;
        length = isLong ? this.#readLength(this.#repeatLengths, positionState) : 1;
        this.#state = isLong ? (state < 7 ? 8 : 11) : state < 7 ? 9 : 11;
      } else {
        const index = this.#bit(this.#isRepeat1, state) === 0 ? 1 : 2 + this.#bit(this.#isRepeat2, state);
        repeats.unshift(...repeats.splice(index, 1));
        length = this.#readLength(this.#repeatLengths, positionState);
        this.#state = state < 7 ? 8 : 11;
      }
      this.#copy(repeats[0], length, end);
    }
    this.#normalize();
  }

  #literal(): void {
    const out = this.#out, position = this.#length;
    const hasPrevious = position > this.#dictionaryStart;
    const previous = hasPrevious ? out[position - 1] : 0;
    const context = (((position - this.#dictionaryStart) & this.#literalPositionMask) << this.#literalContextBits) +
      (previous >> (8 - this.#literalContextBits));
    const offset = 0x300 * context;
    let symbol = 1;
    if (this.#state >= 7) {
      const from = position - this.#repeats[0] - 1;
      if (from < this.#dictionaryStart || from < 0) throw new RangeError("lzma2: a match from outside");
      let matched = out[from];
      while (symbol < 0x100) {
        const matchBit = (matched >> 7) & 1;
        matched <<= 1;
        const bit = this.#bit(this.#literals, offset + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (matchBit !== bit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(this.#literals, offset + symbol);
    out[this.#length++] = symbol;
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6;
  }

  #readLength({ choices, low, middle, high }: LengthModel, positionState: number): number {
    if (this.#bit(choices, 0) === 0) return MIN_MATCH + this.#tree(low, positionState * 8, 3);
    if (this.#bit(choices, 1) === 0) return MIN_MATCH + 8 + this.#tree(middle, positionState * 8, 3);
    return MIN_MATCH + 16 + this.#tree(high, 0, 8);
  }

  /** The distance less 1. */
  #readDistance(length: number): number {
    const slot = this.#tree(this.#slots, 64 * Math.min(length - MIN_MATCH, 3), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < END_POSITION_MODEL) return base + this.#reverseTree(this.#positions, base - slot, bits);
    return base + this.#directBits(bits - ALIGN_BITS) * 16 + this.#reverseTree(this.#align, 0, ALIGN_BITS);
  }

  #copy(distance: number, length: number, end: number): void {
    const out = this.#out;
    let from = this.#length - distance - 1;
    if (from < this.#dictionaryStart || from < 0) throw new RangeError("lzma2: a match from outside");
    if (this.#length + length > end) throw new RangeError("lzma2: a chunk is longer than it says");
    for (let i = 0; i < length; i++) out[this.#length++] = out[from++];
  }
}
