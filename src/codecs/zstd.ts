/**
 * zstd frames by node:zlib, which stops after the first of several and takes truncated ones for whole: so we look for
 * the ends of the frames ourselves (RFC 8878 section 3.1) and hand them over one by one.
 */
import { zstdDecompressSync } from "node:zlib";
import { joinParts } from "./packed_input.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

interface Frame {
  readonly start: number;
  readonly end: number;
  readonly skippable: boolean;
}

function need(bytes: Uint8Array, at: number, byteLength: number): void {
  if (at + byteLength > bytes.length) throw new RangeError("zstd: cut off");
}

function findFrame(bytes: Uint8Array, view: DataView, start: number): Frame {
  need(bytes, start, 5);
  const magic = view.getUint32(start, true);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
    need(bytes, start, 8);
    const end = start + 8 + view.getUint32(start + 4, true);
    need(bytes, end, 0);
    return { start, end, skippable: true };
  }
  if (magic !== MAGIC) throw new RangeError("zstd: no frame");
  const descriptor = bytes[start + 4];
  const singleSegment = (descriptor & 0x20) !== 0, checksum = (descriptor & 0x04) !== 0;
  const sizeFlag = descriptor >>> 6;
  const sizeByteLength = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag;
  let at = start + 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3] + sizeByteLength;
  for (let last = false; !last;) {
    need(bytes, at, 3);
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    last = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    if (type === 3) throw new RangeError("zstd: reserved block type");
    at += 3 + (type === 1 ? 1 : header >>> 3); // a run-length block holds one byte
    need(bytes, at, 0);
  }
  if (checksum) at += 4;
  need(bytes, at, 0);
  return { start, end: at, skippable: false };
}

/** @throws RangeError or zlib's error when the bytes are no whole frames, or would give more than `maxByteLength`. */
export function decompressZstd(bytes: Uint8Array, maxByteLength: number): Uint8Array {
  return joinParts(frames(bytes, maxByteLength), maxByteLength);
}

function* frames(bytes: Uint8Array, maxByteLength: number): Generator<Uint8Array, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let left = maxByteLength;
  for (let at = 0; at < bytes.length;) {
    const { start, end, skippable } = findFrame(bytes, view, at);
    at = end;
    if (skippable) continue;
    const part = zstdDecompressSync(bytes.subarray(start, end), { maxOutputLength: Math.max(1, left) });
    left -= part.length;
    yield part;
  }
}
