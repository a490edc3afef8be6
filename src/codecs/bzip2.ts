/**
 * Decodes bzip2 (there is no specification; after Julian Seward's bzip2 1.0.8, decompress.c, and Joe Tsai's "BZIP2: Format
 * Specification"):
 *
 *     stream: "BZh" level | blocks: magic 48, CRC 32, randomised 1, origin 24, symbol map, tables, symbols | end magic 48, CRC 32
 */
import { CutOff, joinParts, NOTHING, PackedInput } from "./packed_input.ts";

/** More than a block takes, packed: 900,000 codes of 20 bits, and their tables. */
const MAX_BLOCK_BYTE_LENGTH = 2_500_000;
const RUN_A = 0, RUN_B = 1;
const MAX_CODE_LENGTH = 20, GROUP_SIZE = 50;
const BLOCK_HIGH = 0x314159, BLOCK_LOW = 0x265359, END_HIGH = 0x177245, END_LOW = 0x385090;

/** CRC-32 with the most significant bit first. */
const CRC_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/** @throws RangeError when the bytes are no whole bzip2 data, or would give more than `maxByteLength`. */
export function decompressBzip2(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  return joinParts(unpackBzip2(new PackedInput(bytes)), maxByteLength);
}

/** The contents, a block at a time. Yields NOTHING where it needs more. @throws RangeError when they are damaged. */
export function* unpackBzip2(input: PackedInput): Generator<Uint8Array, void> {
  const decoder = new Bzip2Decoder(input);
  for (let tooFew = -1;;) {
    const byteLength = input.bytes.length - input.at;
    // Half a block is tried only when there is no more for now, and once.
    if (byteLength === tooFew || (byteLength < MAX_BLOCK_BYTE_LENGTH && !input.isDry && !input.atEnd)) {
      yield NOTHING;
      if (!input.atEnd) continue;
    }
    if (byteLength === 0 && decoder.isBetweenStreams && input.atEnd) return;
    const part = decoder.next();
    if (part === null) {
      if (input.atEnd) throw new CutOff();
      if (byteLength >= MAX_BLOCK_BYTE_LENGTH) throw new RangeError("bzip2: a block longer than it may be");
      tooFew = byteLength;
    } else {
      tooFew = -1;
      if (part.length > 0) yield part;
    }
  }
}

/** Codes of one table, canonical: those of a length follow each other. */
interface CodeTable {
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
  readonly minLength: number;
}

class Bzip2Decoder {
  readonly #input: PackedInput;
  #bits = 0;
  #bitCount = 0;
  /** Hundreds of kB in a block; 0 between streams. */
  #level = 0;
  #out: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(input: PackedInput) {
    this.#input = input;
  }

  get isBetweenStreams(): boolean {
    return this.#level === 0;
  }

  /** The contents of the next block, empty at a stream's end. Null, with nothing used, when not all of it is here. */
  next(): Uint8Array | null {
    const input = this.#input, { at } = input;
    const level = this.#level, bits = this.#bits, bitCount = this.#bitCount;
    try {
      return this.#next();
    } catch (error) {
      if (!(error instanceof CutOff)) throw error;
      input.at = at;
      this.#level = level;
      this.#bits = bits;
      this.#bitCount = bitCount;
      return null;
    }
  }

  #next(): Uint8Array {
    if (this.#level === 0) {
      const level = this.#take(24) === 0x425a68 ? this.#take(8) - 0x30 : 0;
      if (level < 1 || level > 9) throw new RangeError("bzip2: no stream");
      this.#level = level;
    }
    const high = this.#take(24), low = this.#take(24);
    const crc = (this.#take(16) * 65_536) + this.#take(16);
    if (high === END_HIGH && low === END_LOW) {
      this.#level = this.#bitCount = 0; // streams begin at whole bytes
      return NOTHING;
    }
    if (high !== BLOCK_HIGH || low !== BLOCK_LOW) throw new RangeError("bzip2: no block");
    this.#length = 0;
    this.#out = NOTHING;
    this.#readBlock(this.#level * 100_000);
    if (crcOf(this.#out, 0, this.#length) !== crc) throw new RangeError("bzip2: wrong checksum");
    return this.#out.subarray(0, this.#length);
  }

  /** At most 24 bits. */
  #take(count: number): number {
    const input = this.#input;
    while (this.#bitCount < count) {
      if (input.at >= input.bytes.length) throw new CutOff();
      this.#bits = ((this.#bits << 8) | input.bytes[input.at++]) & 0x7fffffff;
      this.#bitCount += 8;
    }
    this.#bitCount -= count;
    return (this.#bits >>> this.#bitCount) & ((1 << count) - 1);
  }

  #readBlock(size: number): void {
    if (this.#take(1) !== 0) throw new RangeError("bzip2: a randomised block");
    const origin = this.#take(24);
    const used = this.#readUsed();
    const { tables, selectors } = this.#readTables(used.length + 2);
    const block = new Uint32Array(size);
    const counts = new Int32Array(256);
    const length = this.#readSymbols({ used, tables, selectors, block, counts });
    if (origin >= length) throw new RangeError("bzip2: a block begins outside of itself");
    this.#write(block, counts, { length, origin });
  }

  /** The byte values that the block has. */
  #readUsed(): number[] {
    const ranges = this.#take(16);
    const used: number[] = [];
    for (let range = 0; range < 16; range++) {
      if ((ranges & (0x8000 >> range)) === 0) continue;
      const bits = this.#take(16);
      for (let i = 0; i < 16; i++) if ((bits & (0x8000 >> i)) !== 0) used.push(16 * range + i);
    }
    if (used.length === 0) throw new RangeError("bzip2: a block without bytes");
    return used;
  }

  #readTables(symbolCount: number): { tables: CodeTable[]; selectors: Uint8Array } {
    const tableCount = this.#take(3), selectorCount = this.#take(15);
    if (tableCount < 2 || tableCount > 6 || selectorCount === 0) throw new RangeError("bzip2: no tables");
    const order = Array.from({ length: tableCount }, (_, i) => i);
    const selectors = Uint8Array.from({ length: selectorCount }, () => {
      let index = 0;
      while (this.#take(1) === 1) if (++index >= tableCount) throw new RangeError("bzip2: no such table");
      const [table] = order.splice(index, 1);
      order.unshift(table);
      return table;
    });
    const tables = Array.from({ length: tableCount }, () => this.#readTable(symbolCount));
    return { tables, selectors };
  }

  #readTable(symbolCount: number): CodeTable {
    let length = this.#take(5);
    const lengths = Uint8Array.from({ length: symbolCount }, () => {
      for (;;) {
        if (length < 1 || length > MAX_CODE_LENGTH) throw new RangeError("bzip2: a code of no length");
        if (this.#take(1) === 0) return length;
        length += this.#take(1) === 0 ? 1 : -1;
      }
    });
    return codeTable(lengths);
  }

  #readSymbols(
    { used, tables, selectors, block, counts }: {
      used: number[];
      tables: readonly CodeTable[];
      selectors: Uint8Array;
      block: Uint32Array;
      counts: Int32Array;
    },
  ): number {
    const endSymbol = used.length + 1;
    const order = Uint8Array.from(used);
    let length = 0, run = 0, runUnit = 1;
    for (let group = 0;; group++) {
      if (group >= selectors.length) throw new RangeError("bzip2: a block without end");
      const table = tables[selectors[group]];
      for (let i = 0; i < GROUP_SIZE; i++) {
        const symbol = this.#readSymbol(table);
        if (symbol === RUN_A || symbol === RUN_B) {
          run += runUnit * (symbol + 1);
          runUnit *= 2;
          if (run > block.length) throw new RangeError("bzip2: a block longer than it may be");
          continue;
        }
        if (run > 0) {
          if (length + run > block.length) throw new RangeError("bzip2: a block longer than it may be");
          block.fill(order[0], length, length + run);
          counts[order[0]] += run;
          length += run;
          run = 0;
          runUnit = 1;
        }
        if (symbol === endSymbol) return length;
        if (length >= block.length) throw new RangeError("bzip2: a block longer than it may be");
        const value = order[symbol - 1];
        order.copyWithin(1, 0, symbol - 1);
        order[0] = value;
        block[length++] = value;
        counts[value]++;
      }
    }
  }

  #readSymbol({ limits, bases, symbols, minLength }: CodeTable): number {
    let code = this.#take(minLength);
    for (let length = minLength; length <= MAX_CODE_LENGTH; length++) {
      if (code <= limits[length]) return symbols[code - bases[length]];
      code = (code << 1) | this.#take(1);
    }
    throw new RangeError("bzip2: no such code");
  }

  /** Undoes the Burrows-Wheeler transform and the run lengths before it. */
  #write(block: Uint32Array, counts: Int32Array, { length, origin }: { length: number; origin: number }): void {
    let sum = 0;
    for (let value = 0; value < 256; value++) {
      const count = counts[value];
      counts[value] = sum;
      sum += count;
    }
    for (let i = 0; i < length; i++) block[counts[block[i] & 0xff]++] |= i << 8;
    let position = block[origin] >>> 8, previous = -1, same = 0;
    this.#reserve(length);
    for (let i = 0; i < length; i++) {
      const entry = block[position];
      const value = entry & 0xff;
      position = entry >>> 8;
      if (same === 4) {
        this.#reserve(value + length - i);
        this.#out.fill(previous, this.#length, this.#length + value);
        this.#length += value;
        same = 0;
        previous = -1;
        continue;
      }
      same = value === previous ? same + 1 : 1;
      previous = value;
      this.#out[this.#length++] = value;
    }
  }

  #reserve(byteLength: number): void {
    const needed = this.#length + byteLength;
    if (needed <= this.#out.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#out.length));
    larger.set(this.#out.subarray(0, this.#length));
    this.#out = larger;
  }
}

function codeTable(lengths: Uint8Array): CodeTable {
  const limits = new Int32Array(MAX_CODE_LENGTH + 1).fill(-1), bases = new Int32Array(MAX_CODE_LENGTH + 1);
  const symbols = new Uint16Array(lengths.length);
  let index = 0, code = 0;
  for (let length = 1; length <= MAX_CODE_LENGTH; length++) {
    bases[length] = code - index;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      symbols[index++] = symbol;
      code++;
    }
    limits[length] = code - 1;
    code <<= 1;
  }
  return { limits, bases, symbols, minLength: Math.min(...lengths) };
}

function crcOf(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffffffff;
  for (let i = from; i < to; i++) crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ bytes[i]];
  return ~crc >>> 0;
}
