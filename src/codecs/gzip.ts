/**
 * gzip members (RFC 1952), one after the other:
 *
 *     1F 8B 08 | flags 1 | time 4, flags 1, system 1 | extra, name, comment, header CRC | deflate data | CRC-32, length 4
 *
 * node:zlib would read them by itself, but loses what it has unpacked of a piece in which something else follows a member.
 */
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { CutOff, feeding, NOTHING, type PackedInput } from "./packed_input.ts";
import { UNPACK_BYTE_LENGTH, ZlibDecoder } from "./zlib_decoder.ts";

const HEADER_BYTE_LENGTH = 10, TRAILER_BYTE_LENGTH = 8;
const HEADER_CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16;

/** The contents of all members. What was whole came out before an error is thrown. */
export async function* unpackGzip(input: PackedInput): AsyncGenerator<Uint8Array, void> {
  for (let isFirst = true; yield* feeding(input, input.has(1)); isFirst = false) {
    if (input.bytes[input.at] === 0 && !isFirst) {
      input.at++; // padding, as of tapes
      continue;
    }
    yield* feeding(input, skipHeader(input, isFirst));
    const sum = { crc: 0, byteLength: 0 };
    for await (const part of unpackDeflate(input)) {
      sum.crc = crc32(part, sum.crc);
      sum.byteLength += part.length;
      yield part;
    }
    yield* feeding(input, input.need(TRAILER_BYTE_LENGTH));
    const { bytes, at } = input;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, TRAILER_BYTE_LENGTH);
    if (view.getUint32(0, true) !== sum.crc || view.getUint32(4, true) !== sum.byteLength % 2 ** 32) {
      throw new Error("wrong checksum");
    }
    input.at += TRAILER_BYTE_LENGTH;
  }
}

function* skipHeader(input: PackedInput, isFirst: boolean): Generator<Uint8Array, void> {
  for (const [i, byte] of [0x1f, 0x8b, 8].entries()) {
    yield* input.need(i + 1);
    if (input.bytes[input.at + i] === byte) continue;
    throw new Error(isFirst ? "no gzip header" : "what follows its last gzip member is none");
  }
  yield* input.need(HEADER_BYTE_LENGTH);
  const flags = input.bytes[input.at + 3];
  input.at += HEADER_BYTE_LENGTH;
  if ((flags & EXTRA) !== 0) {
    yield* input.need(2);
    const byteLength = 2 + input.bytes[input.at] + 256 * input.bytes[input.at + 1];
    yield* input.need(byteLength);
    input.at += byteLength;
  }
  for (const text of [NAME, COMMENT]) {
    if ((flags & text) === 0) continue;
    do yield* input.need(1); while (input.bytes[input.at++] !== 0);
  }
  if ((flags & HEADER_CRC) !== 0) {
    yield* input.need(2);
    input.at += 2;
  }
}

/** Deflate data, up to its end. */
async function* unpackDeflate(input: PackedInput): AsyncGenerator<Uint8Array, void> {
  const whole = unpackAtOnce(input);
  if (whole !== null) {
    if (whole.length > 0) yield whole;
    return;
  }
  const decoder = new ZlibDecoder(createInflateRaw({ chunkSize: UNPACK_BYTE_LENGTH }));
  try {
    for (;;) {
      const piece = input.bytes.subarray(input.at);
      if (piece.length === 0) {
        if (input.atEnd) throw new CutOff();
        if (!await input.more() && !input.atEnd) yield NOTHING;
        continue;
      }
      input.at += piece.length;
      yield* decoder.write(piece);
      if (decoder.unusedByteLength === 0) continue;
      input.at -= decoder.unusedByteLength;
      return;
    }
  } finally {
    decoder.close();
  }
}

/** Small members cost a decoder each otherwise, which takes longer than they do. Null when it is too large, or not all here. */
function unpackAtOnce(input: PackedInput): Uint8Array | null {
  try {
    const options = { info: true, maxOutputLength: UNPACK_BYTE_LENGTH };
    const { buffer, engine } = inflateRawSync(input.bytes.subarray(input.at), options) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    input.at += engine.bytesWritten;
    return buffer;
  } catch {
    return null; // read again, piece by piece, it says what is wrong
  }
}
