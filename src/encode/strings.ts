/** Strings with what JSON must escape in them, escaped as JSON.stringify does it. */
import type { ByteSource, OutputBuffer } from "./output_buffer.ts";

/** The most bytes that one byte of a string becomes: a control character as \\u001f. */
export const MAX_ESCAPED_BYTES = 6;

const BACKSLASH = 0x5c, LETTER_U = 0x75, ZERO = 0x30;
const HEX = new TextEncoder().encode("0123456789abcdef");

/** By byte: 0 when it stands for itself, the letter after the backslash, or `u`. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(LETTER_U, 0, 0x20);
for (
  const [char, letter] of [["\b", "b"], ["\t", "t"], ["\n", "n"], ["\f", "f"], ["\r", "r"], ['"', '"'], ["\\", "\\"]]
) {
  ESCAPES[char.charCodeAt(0)] = letter.charCodeAt(0);
}

/**
 * Not 0 when one of the word's four bytes needs an escape (Mycroft's test for a byte below n, thrice: for controls, for
 * quotes and for backslashes). Bytes from 0x80 on never do; a borrow between bytes can only come after a true hit.
 */
function needsEscape(word: number): number {
  const quote = word ^ 0x22222222, backslash = word ^ 0x5c5c5c5c;
  return (((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash)) &
    0x80808080;
}

/** Writes `source[start, end)` with escapes, without quotes around it. */
export function writeEscaped(
  out: OutputBuffer,
  position: number,
  source: ByteSource,
  start: number,
  end: number,
): number {
  const from = source.view, to = out.view;
  while (start + 4 <= end) {
    const word = from.getInt32(start, true);
    if (needsEscape(word) === 0) {
      to.setInt32(position, word, true);
      position += 4;
    } else {
      position = escapeBytes(out, position, source.bytes, start, start + 4);
    }
    start += 4;
  }
  return escapeBytes(out, position, source.bytes, start, end);
}

function escapeBytes(out: OutputBuffer, position: number, from: Uint8Array, start: number, end: number): number {
  const to = out.bytes;
  for (let i = start; i < end; i++) {
    const byte = from[i], letter = ESCAPES[byte];
    if (letter === 0) {
      to[position++] = byte;
      continue;
    }
    to[position++] = BACKSLASH;
    to[position++] = letter;
    if (letter !== LETTER_U) continue;
    to[position++] = ZERO;
    to[position++] = ZERO;
    to[position++] = HEX[byte >> 4];
    to[position++] = HEX[byte & 15];
  }
  return position;
}

/** Exact length that writeEscaped would write. */
export function escapedByteLength(bytes: Uint8Array, start: number, end: number): number {
  let byteLength = end - start;
  for (let i = start; i < end; i++) {
    const letter = ESCAPES[bytes[i]];
    if (letter !== 0) byteLength += letter === LETTER_U ? 5 : 1;
  }
  return byteLength;
}
