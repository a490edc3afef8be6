/** LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), several after each other too. */
import { copyBack } from "./snappy.ts";

const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a50;

/** The output, growing up to a limit. */
class Output {
  bytes: Uint8Array;
  length = 0;
  readonly #maxByteLength: number;

  constructor(byteLength: number, maxByteLength: number) {
    this.bytes = new Uint8Array(Math.min(byteLength, maxByteLength));
    this.#maxByteLength = maxByteLength;
  }

  reserve(byteLength: number): void {
    const needed = this.length + byteLength;
    if (needed <= this.bytes.length) return;
    if (needed > this.#maxByteLength) throw new RangeError(`lz4: more than the ${this.#maxByteLength} bytes allowed`);
    const grown = new Uint8Array(Math.min(this.#maxByteLength, Math.max(needed, 2 * this.bytes.length)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

/**
 * The checksums inside are not looked at: the record batch around it has its own.
 *
 * @throws RangeError when the bytes are no whole frames, or would give more than `maxByteLength`.
 */
export function decompressLz4(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new Output(bytes.length * 4 + 64, maxByteLength);
  let at = 0;
  while (at < bytes.length) at = readFrame(bytes, view, at, output);
  return output.bytes.subarray(0, output.length);
}

function need(bytes: Uint8Array, at: number, byteLength: number): void {
  if (at + byteLength > bytes.length) throw new RangeError("lz4: cut off");
}

/** @returns the byte after the frame. */
function readFrame(bytes: Uint8Array, view: DataView, start: number, output: Output): number {
  let at = start;
  need(bytes, at, 4);
  const magic = view.getUint32(at, true);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
    need(bytes, at, 8);
    const next = at + 8 + view.getUint32(at + 4, true);
    need(bytes, next, 0);
    return next;
  }
  if (magic !== MAGIC) throw new RangeError("lz4: no frame");
  need(bytes, at, 7);
  const flags = bytes[at + 4];
  if (flags >>> 6 !== 1) throw new RangeError(`lz4: frame version ${flags >>> 6} is unknown`);
  const blockChecksum = (flags & 0x10) !== 0, contentSize = (flags & 0x08) !== 0;
  const contentChecksum = (flags & 0x04) !== 0, dictionary = (flags & 0x01) !== 0;
  at += 6 + (contentSize ? 8 : 0) + (dictionary ? 4 : 0) + 1;
  const frameStart = output.length;
  while (true) {
    need(bytes, at, 4);
    const header = view.getUint32(at, true), size = header & 0x7fffffff;
    at += 4;
    if (header === 0) break;
    need(bytes, at, size);
    if (header >>> 31 === 1) {
      output.reserve(size);
      output.bytes.set(bytes.subarray(at, at + size), output.length);
      output.length += size;
    } else {
      readBlock(bytes, at, at + size, output, frameStart);
    }
    at += size + (blockChecksum ? 4 : 0);
  }
  if (contentChecksum) {
    need(bytes, at, 4);
    at += 4;
  }
  need(bytes, at, 0);
  return at;
}

function readBlock(input: Uint8Array, start: number, end: number, output: Output, frameStart: number): void {
  let at = start;
  while (at < end) {
    const token = input[at++];
    let literals = token >>> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) throw new RangeError("lz4: cut off in a length");
        literals += byte = input[at++];
      }
    }
    if (at + literals > end) throw new RangeError("lz4: literals past the end");
    output.reserve(literals);
    if (literals <= 16) { for (let i = 0; i < literals; i++) output.bytes[output.length + i] = input[at + i]; }
    else output.bytes.set(input.subarray(at, at + literals), output.length);
    at += literals;
    output.length += literals;
    if (at === end) return; // the last sequence has no copy
    if (at + 2 > end) throw new RangeError("lz4: cut off in a copy");
    const distance = input[at] | (input[at + 1] << 8);
    at += 2;
    let size = token & 15;
    if (size === 15) {
      let byte = 255;
      while (byte === 255) {
        if (at >= end) throw new RangeError("lz4: cut off in a length");
        size += byte = input[at++];
      }
    }
    size += 4;
    if (distance === 0 || distance > output.length - frameStart) throw new RangeError("lz4: copy from outside");
    output.reserve(size);
    copyBack(output.bytes, output.length, distance, size);
    output.length += size;
  }
  throw new RangeError("lz4: block ends in a copy");
}
