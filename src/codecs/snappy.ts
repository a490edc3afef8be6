/**
 * Snappy blocks (https://github.com/google/snappy/blob/main/format_description.txt), plain as librdkafka and Go write
 * them, or in the chunks of Java's SnappyOutputStream: an 8-byte magic, two versions, then length and block, repeated.
 */

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEADER_BYTE_LENGTH = 16;

/** @throws RangeError when the bytes are no whole snappy data, or would give more than `maxByteLength`. */
export function decompressSnappy(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  if (!XERIAL_MAGIC.every((byte, i) => bytes[i] === byte)) return decompressBlock(bytes, maxByteLength);
  const blocks: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = XERIAL_HEADER_BYTE_LENGTH, total = 0;
  if (bytes.length < at) throw new RangeError("snappy: cut off in the header");
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new RangeError("snappy: cut off before a chunk");
    const length = view.getUint32(at);
    at += 4;
    if (at + length > bytes.length) throw new RangeError("snappy: cut off in a chunk");
    const block = decompressBlock(bytes.subarray(at, at + length), maxByteLength - total);
    blocks.push(block);
    total += block.length;
    at += length;
  }
  if (blocks.length === 1) return blocks[0];
  const output = new Uint8Array(total);
  let to = 0;
  for (const block of blocks) {
    output.set(block, to);
    to += block.length;
  }
  return output;
}

function decompressBlock(input: Uint8Array, maxByteLength: number): Uint8Array {
  let at = 0, length = 0, shift = 0;
  for (let more = true; more; shift += 7) {
    if (at >= input.length || shift > 28) throw new RangeError("snappy: no length");
    const byte = input[at++];
    length += (byte & 0x7f) * 2 ** shift;
    more = byte > 0x7f;
  }
  if (length > maxByteLength) {
    throw new RangeError(`snappy: ${length} are more than the ${maxByteLength} bytes allowed`);
  }
  const output = new Uint8Array(length);
  let to = 0;
  while (at < input.length) {
    const tag = input[at++];
    if ((tag & 3) === 0) {
      let size = tag >>> 2;
      if (size >= 60) {
        const extra = size - 59;
        if (at + extra > input.length) throw new RangeError("snappy: cut off in a literal's length");
        size = 0;
        for (let i = 0; i < extra; i++) size += input[at++] * 2 ** (8 * i);
      }
      size++;
      if (at + size > input.length || to + size > length) throw new RangeError("snappy: literal past the end");
      if (size <= 16) { for (let i = 0; i < size; i++) output[to + i] = input[at + i]; }
      else output.set(input.subarray(at, at + size), to);
      at += size;
      to += size;
      continue;
    }
    let size: number, distance: number;
    const rest = input.length - at;
    if ((tag & 3) === 1) {
      if (rest < 1) throw new RangeError("snappy: cut off in a copy");
      size = 4 + ((tag >>> 2) & 7);
      distance = ((tag >>> 5) << 8) | input[at++];
    } else if ((tag & 3) === 2) {
      if (rest < 2) throw new RangeError("snappy: cut off in a copy");
      size = 1 + (tag >>> 2);
      distance = input[at] | (input[at + 1] << 8);
      at += 2;
    } else {
      if (rest < 4) throw new RangeError("snappy: cut off in a copy");
      size = 1 + (tag >>> 2);
      distance = (input[at] | (input[at + 1] << 8) | (input[at + 2] << 16) | (input[at + 3] << 24)) >>> 0;
      at += 4;
    }
    if (distance === 0 || distance > to || to + size > length) throw new RangeError("snappy: copy from outside");
    copyBack(output, to, distance, size);
    to += size;
  }
  if (to !== length) throw new RangeError(`snappy: cut off after ${to} of ${length} bytes`);
  return output;
}

/** Repeats what stands `distance` before `to`; the two may overlap. */
export function copyBack(output: Uint8Array, to: number, distance: number, byteLength: number): void {
  if (distance >= byteLength && byteLength > 32) {
    output.copyWithin(to, to - distance, to - distance + byteLength);
    return;
  }
  for (let i = 0, from = to - distance; i < byteLength; i++) output[to + i] = output[from + i];
}
