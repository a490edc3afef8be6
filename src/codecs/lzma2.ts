/** Decodes LZMA2 (after Igor Pavlov's "LZMA specification" in the LZMA SDK, and the chunk headers of xz's LZMA2 filter). */

const STATES = 12, POSITION_STATES = 16;
const MIN_MATCH = 2;
const END_POSITION_MODEL = 14, ALIGN_BITS = 4, FULL_DISTANCES = 128;
const PROBABILITY_BITS = 11, MOVE_BITS = 5, TOP = 2 ** 24;

/**
 * Decodes the chunks from `start` on.
 *
 * @returns the contents, and the position after them.
 * @throws RangeError when they are damaged or cut off, or would give more than `maxByteLength`.
 */
export function decodeLzma2(
  bytes: Uint8Array,
  start: number,
  maxByteLength: number,
): { contents: Uint8Array; next: number } {
  const decoder = new Lzma2Decoder(bytes, start, maxByteLength);
  decoder.run();
  return { contents: decoder.out.subarray(0, decoder.length), next: decoder.at };
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
  out: Uint8Array = new Uint8Array(0);
  length = 0;
  at: number;
  readonly #bytes: Uint8Array;
  readonly #maxByteLength: number;
  /** Matches may reach back to here. */
  #dictionaryStart = 0;
  #range = 0;
  #code = 0;
  #chunkEnd = 0;
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

  constructor(bytes: Uint8Array, start: number, maxByteLength: number) {
    this.#bytes = bytes;
    this.at = start;
    this.#maxByteLength = maxByteLength;
  }

  run(): void {
    for (;;) {
      const control = this.#byte();
      if (control === 0) return;
      if (control === 1 || control >= 0xe0) this.#dictionaryStart = this.length;
      if (control >= 0x80) this.#lzmaChunk(control);
      else if (control <= 2) this.#plainChunk();
      else throw new RangeError("lzma2: no chunk");
    }
  }

  #byte(): number {
    if (this.at >= this.#bytes.length) throw new RangeError("lzma2: cut off");
    return this.#bytes[this.at++];
  }

  #plainChunk(): void {
    const byteLength = (this.#byte() << 8) + this.#byte() + 1;
    if (this.at + byteLength > this.#bytes.length) throw new RangeError("lzma2: cut off");
    this.#reserve(byteLength);
    this.out.set(this.#bytes.subarray(this.at, this.at + byteLength), this.length);
    this.length += byteLength;
    this.at += byteLength;
  }

  #lzmaChunk(control: number): void {
    const byteLength = ((control & 0x1f) << 16) + (this.#byte() << 8) + this.#byte() + 1;
    const packedByteLength = (this.#byte() << 8) + this.#byte() + 1;
    const reset = (control >> 5) & 3;
    if (reset >= 2) this.#setProperties(this.#byte());
    if (!this.#hasProperties) throw new RangeError("lzma2: a chunk without properties");
    if (reset >= 1) this.#resetState();
    this.#chunkEnd = this.at + packedByteLength;
    if (this.#chunkEnd > this.#bytes.length || packedByteLength < 5) throw new RangeError("lzma2: cut off");
    this.at++; // the range coder's first byte is always 0
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#bytes[this.at++]) >>> 0;
    this.#reserve(byteLength);
    this.#decode(this.length + byteLength);
    if (this.at !== this.#chunkEnd) throw new RangeError("lzma2: a chunk is longer than its data");
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

  #reserve(byteLength: number): void {
    const needed = this.length + byteLength;
    if (needed > this.#maxByteLength) throw new RangeError(`lzma2: more than ${this.#maxByteLength} bytes`);
    if (needed <= this.out.length) return;
    const larger = new Uint8Array(Math.min(this.#maxByteLength, Math.max(needed, 2 * this.out.length)));
    larger.set(this.out.subarray(0, this.length));
    this.out = larger;
  }

  #normalize(): void {
    if (this.#range >= TOP) return;
    if (this.at >= this.#chunkEnd) throw new RangeError("lzma2: a chunk is shorter than its data");
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#bytes[this.at++]) >>> 0;
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
    while (this.length < end) {
      const positionState = (this.length - this.#dictionaryStart) & this.#positionMask;
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
    const out = this.out, position = this.length;
    const hasPrevious = position > this.#dictionaryStart;
    const previous = hasPrevious ? out[position - 1] : 0;
    const context = (((position - this.#dictionaryStart) & this.#literalPositionMask) << this.#literalContextBits) +
      (previous >> (8 - this.#literalContextBits));
    const offset = 0x300 * context;
    let symbol = 1;
    if (this.#state >= 7) {
      const from = position - this.#repeats[0] - 1;
      if (from < this.#dictionaryStart) throw new RangeError("lzma2: a match from outside");
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
    out[this.length++] = symbol;
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
    const out = this.out;
    let from = this.length - distance - 1;
    if (from < this.#dictionaryStart) throw new RangeError("lzma2: a match from outside");
    if (this.length + length > end) throw new RangeError("lzma2: a chunk is longer than it says");
    for (let i = 0; i < length; i++) out[this.length++] = out[from++];
  }
}
