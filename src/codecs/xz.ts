/**
 * Decodes .xz streams ("The .xz File Format" 1.2.1) with the LZMA2 filter alone, as xz and Avro's writers make them:
 *
 *     FD "7zXZ" 0 | flags 2 | CRC-32 | blocks: header, chunks, padding to 4, check | index | footer 12
 */
import { crc32 } from "node:zlib";
import { MAX_WINDOW_BYTE_LENGTH, unpackLzma2 } from "./lzma2.ts";
import { joinParts, PackedInput } from "./packed_input.ts";

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
const HEADER_BYTE_LENGTH = 12, FOOTER_BYTE_LENGTH = 12;
const LZMA2_FILTER = 0x21;
/** Bytes of a check, by its number. */
const CHECK_BYTE_LENGTHS = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CRC_32 = 1, CRC_64 = 4;

/** @throws RangeError when the bytes are no whole xz data, or would give more than `maxByteLength`. */
export function decompressXz(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  return joinParts(unpackXz(new PackedInput(bytes)), maxByteLength);
}

/** The contents, chunk by chunk. Yields NOTHING where it needs more. @throws RangeError when they are damaged. */
export function* unpackXz(input: PackedInput): Generator<Uint8Array, void> {
  for (let isFirst = true; yield* input.has(1); isFirst = false) {
    if (input.bytes[input.at] === 0 && !isFirst) input.at++; // padding
    else yield* unpackStream(input);
  }
}

function* unpackStream(input: PackedInput): Generator<Uint8Array, void> {
  yield* input.need(HEADER_BYTE_LENGTH);
  const header = take(input, HEADER_BYTE_LENGTH);
  if (!MAGIC.every((byte, i) => header.bytes[i] === byte)) throw new RangeError("xz: no stream");
  const flags = header.bytes.subarray(6, 8), check = flags[1];
  if (flags[0] !== 0 || check > 15 || header.view.getUint32(8, true) !== crc32(flags)) {
    throw new RangeError("xz: a damaged header");
  }
  for (;;) {
    yield* input.need(1);
    if (input.bytes[input.at] === 0) return yield* skipIndex(input);
    yield* unpackBlock(input, check);
  }
}

function* unpackBlock(input: PackedInput, check: number): Generator<Uint8Array, void> {
  const headerByteLength = 4 * (input.bytes[input.at] + 1);
  yield* input.need(headerByteLength);
  const { bytes, view } = take(input, headerByteLength);
  if (view.getUint32(headerByteLength - 4, true) !== crc32(bytes.subarray(0, -4))) {
    throw new RangeError("xz: a damaged block header");
  }
  const sums = { crc32: 0, crc64: new Crc64() };
  const start = input.position;
  for (const part of unpackLzma2(input, windowByteLength(bytes))) {
    if (check === CRC_32) sums.crc32 = crc32(part, sums.crc32);
    if (check === CRC_64) sums.crc64.update(part);
    yield part;
  }
  const paddingByteLength = (4 - (input.position - start) % 4) % 4;
  yield* input.need(paddingByteLength + CHECK_BYTE_LENGTHS[check]);
  input.at += paddingByteLength;
  const expected = take(input, CHECK_BYTE_LENGTHS[check]).view;
  if (
    check === CRC_32 && expected.getUint32(0, true) !== sums.crc32 ||
    check === CRC_64 && expected.getBigUint64(0, true) !== sums.crc64.value
  ) throw new RangeError("xz: wrong checksum");
}

/** How far matches reach back, from the header of a block. */
function windowByteLength(header: Uint8Array): number {
  const flags = header[1];
  let at = 2;
  for (const hasSize of [(flags & 0x40) !== 0, (flags & 0x80) !== 0]) {
    if (!hasSize) continue;
    while (header[at++] >= 0x80); // a size that we find out ourselves
  }
  if ((flags & 3) !== 0 || header[at] !== LZMA2_FILTER) throw new RangeError("xz: filters other than LZMA2");
  const exponent = header[at + 2];
  const byteLength = (2 | (exponent & 1)) * 2 ** ((exponent >> 1) + 11);
  if (!(byteLength <= MAX_WINDOW_BYTE_LENGTH)) {
    throw new RangeError(`xz: it needs a window of ${byteLength} bytes, more than ${MAX_WINDOW_BYTE_LENGTH}`);
  }
  return byteLength;
}

/** The index repeats what the blocks said: 0 | count | sizes of each block | padding to 4 | CRC-32; then the footer. */
function* skipIndex(input: PackedInput): Generator<Uint8Array, void> {
  const start = input.position;
  input.at++;
  let left = 1 + 2 * (yield* number(input));
  while (--left > 0) yield* number(input);
  const paddingByteLength = (4 - (input.position - start) % 4) % 4;
  const byteLength = input.position + paddingByteLength + 4 - start;
  yield* input.need(paddingByteLength + 4 + FOOTER_BYTE_LENGTH);
  input.at += paddingByteLength + 4;
  const { bytes, view } = take(input, FOOTER_BYTE_LENGTH);
  if (bytes[10] !== 0x59 || bytes[11] !== 0x5a || view.getUint32(4, true) !== byteLength / 4 - 1) {
    throw new RangeError("xz: a damaged index");
  }
}

/** A whole number in groups of 7 bits, the lowest first. */
function* number(input: PackedInput): Generator<Uint8Array, number> {
  let value = 0;
  for (let factor = 1;; factor *= 128) {
    yield* input.need(1);
    const byte = input.bytes[input.at++];
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    if (factor > 2 ** 56) throw new RangeError("xz: a damaged index");
  }
}

/** The next bytes, which are here. */
function take(input: PackedInput, byteLength: number): { bytes: Uint8Array; view: DataView } {
  const bytes = input.bytes.subarray(input.at, input.at += byteLength);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, byteLength) };
}

/** The reflected CRC-64 of ECMA-182, by two words. */
const LOW: Uint32Array = new Uint32Array(256), HIGH: Uint32Array = new Uint32Array(256);
for (let index = 0; index < 256; index++) {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ 0xc96c5795d7870f42n : value >> 1n;
  LOW[index] = Number(value & 0xffffffffn);
  HIGH[index] = Number(value >> 32n);
}

class Crc64 {
  #low = -1;
  #high = -1;

  get value(): bigint {
    return (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
  }

  update(bytes: Uint8Array): void {
    let low = this.#low, high = this.#high;
    for (let i = 0; i < bytes.length; i++) {
      const index = (low ^ bytes[i]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ LOW[index];
      high = (high >>> 8) ^ HIGH[index];
    }
    this.#low = low;
    this.#high = high;
  }
}
