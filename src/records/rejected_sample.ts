import type { RejectionCode } from "./rejection.ts";

/** One rejected record of many, for people: the first that was seen of its code and split. */
export interface RejectedSample {
  readonly split: string;
  readonly position: string;
  readonly code: RejectionCode;
  /** What was expected, and where. */
  readonly reason: string;
  /** The record's first bytes as text of one line: see `printable`. */
  readonly beginning: string;
}

/** Bytes of a record that a sample shows. */
const BEGINNING_BYTES = 120;

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** The first bytes of `bytes[start, end)` as text that no terminal acts on: control characters and the like as \u{9}. */
export function printable(bytes: Uint8Array, start: number, end: number): string {
  const isCut = end - start > BEGINNING_BYTES;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const text = decoder.decode(bytes.subarray(start, isCut ? start + BEGINNING_BYTES : end), { stream: isCut });
  const safe = text.replace(UNPRINTABLE, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);
  return isCut ? `${safe}...` : safe;
}
