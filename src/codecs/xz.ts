/**
 * Decodes .xz streams ("The .xz File Format" 1.2.1) with the LZMA2 filter alone, as Avro's writers make them:
 *
 *     FD "7zXZ" 0 | flags 2 | CRC-32 | blocks: header, chunks, padding to 4, check | index | footer 12
 */
import { crc32 } from "node:zlib";
import { decodeLzma2 } from "./lzma2.ts";

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
const HEADER_BYTE_LENGTH = 12, FOOTER_BYTE_LENGTH = 12;
const LZMA2_FILTER = 0x21;
/** Bytes of a check, by its number. */
const CHECK_BYTE_LENGTHS = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CRC_32 = 1, CRC_64 = 4;

/** @throws RangeError when the bytes are no whole xz data, or would give more than `maxByteLength`. */
export function decompressXz(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0, total = 0;
  while (at < bytes.length) {
    at = readStream(bytes, at, (start) => {
      const { contents, next } = decodeLzma2(bytes, start, maxByteLength - total);
      parts.push(contents);
      total += contents.length;
      return { contents, next };
    });
  }
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(total);
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}

type Decode = (start: number) => { contents: Uint8Array; next: number };

function readStream(bytes: Uint8Array, start: number, decode: Decode): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + HEADER_BYTE_LENGTH > bytes.length) throw new RangeError("xz: cut off");
  if (!MAGIC.every((byte, i) => bytes[start + i] === byte)) throw new RangeError("xz: no stream");
  const flags = bytes.subarray(start + 6, start + 8);
  const check = flags[1];
  if (flags[0] !== 0 || check > 15 || view.getUint32(start + 8, true) !== crc32(flags)) {
    throw new RangeError("xz: a damaged header");
  }
  let at = start + HEADER_BYTE_LENGTH;
  while (at < bytes.length && bytes[at] !== 0) at = readBlock(bytes, view, { at, check, decode });
  return skipIndex(bytes, view, at);
}

function readBlock(
  bytes: Uint8Array,
  view: DataView,
  { at, check, decode }: { at: number; check: number; decode: Decode },
): number {
  const headerByteLength = 4 * (bytes[at] + 1);
  const start = at + headerByteLength;
  if (start > bytes.length) throw new RangeError("xz: cut off");
  if (view.getUint32(start - 4, true) !== crc32(bytes.subarray(at, start - 4))) {
    throw new RangeError("xz: a damaged block header");
  }
  checkFilters(bytes, at + 1);
  const { contents, next } = decode(start);
  const checkAt = next + (4 - (next - start) % 4) % 4;
  const end = checkAt + CHECK_BYTE_LENGTHS[check];
  if (end > bytes.length) throw new RangeError("xz: cut off");
  if (check === CRC_32 && view.getUint32(checkAt, true) !== crc32(contents)) throw new RangeError("xz: wrong checksum");
  if (check === CRC_64 && view.getBigUint64(checkAt, true) !== crc64(contents)) {
    throw new RangeError("xz: wrong checksum");
  }
  return end;
}

function checkFilters(bytes: Uint8Array, at: number): void {
  const flags = bytes[at++];
  for (const hasSize of [(flags & 0x40) !== 0, (flags & 0x80) !== 0]) {
    if (!hasSize) continue;
    while (bytes[at++] >= 0x80); // a size that we find out ourselves
  }
  if ((flags & 3) !== 0 || bytes[at] !== LZMA2_FILTER) throw new RangeError("xz: filters other than LZMA2");
}

/** The index repeats what the blocks said; what follows it is the footer, and zeros. */
function skipIndex(bytes: Uint8Array, view: DataView, at: number): number {
  let end = at;
  for (;; end += 4) {
    if (end + 4 + FOOTER_BYTE_LENGTH > bytes.length) throw new RangeError("xz: cut off");
    const byteLength = end + 4 - at;
    const footer = end + 4;
    const isFooter = bytes[footer + 10] === 0x59 && bytes[footer + 11] === 0x5a &&
      view.getUint32(footer + 4, true) === byteLength / 4 - 1;
    if (isFooter && view.getUint32(end, true) === crc32(bytes.subarray(at, end))) break;
  }
  let next = end + 4 + FOOTER_BYTE_LENGTH;
  while (next < bytes.length && bytes[next] === 0) next++;
  return next;
}

/** The reflected CRC-64 of ECMA-182, by two words. */
const LOW: Uint32Array = new Uint32Array(256), HIGH: Uint32Array = new Uint32Array(256);
for (let index = 0; index < 256; index++) {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ 0xc96c5795d7870f42n : value >> 1n;
  LOW[index] = Number(value & 0xffffffffn);
  HIGH[index] = Number(value >> 32n);
}

function crc64(bytes: Uint8Array): bigint {
  let low = -1, high = -1;
  for (let i = 0; i < bytes.length; i++) {
    const index = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index];
    high = (high >>> 8) ^ HIGH[index];
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}
