/** The hot loop: rows from text columns. Each value is one copy of its key and one of its text, eight bytes at a time. */
import { copyRange, type OutputBuffer, writeFragment } from "./output_buffer.ts";
import type { Member, RowPlan } from "./row_plan.ts";
import type { Scratch } from "./scratch.ts";
import { contentByteLength, textColumn } from "./text_column.ts";

const QUOTE = 0x22, OPEN_BRACE = 0x7b;

/** Rows are written in runs of at most so many, and of at most so many bytes of contents unless one row is larger. */
const RUN_ROWS = 256;
export const RUN_BYTES = 2 ** 19;

/** The end of the run of rows that is best written next, from `start` on. */
export function runEnd({ members }: RowPlan, start: number, end: number): number {
  let next = Math.min(end, start + RUN_ROWS);
  while (next > start + 1 && contentsByteLength(members, start, next) > RUN_BYTES) {
    next = start + Math.ceil((next - start) / 2);
  }
  return next;
}

function contentsByteLength(members: readonly Member[], start: number, end: number): number {
  let byteLength = 0;
  for (const { block } of members) if (block !== null) byteLength += contentByteLength(block, start, end);
  return byteLength;
}

/** A member of the rows with its text, where the loop finds it. */
interface MemberText {
  readonly nulls: Uint8Array | null;
  /** Where the scratch has the key. */
  readonly keyStart: number;
  readonly keyByteLength: number;
  /** Added to a row: the index of its text in the scratch's offsets. NO_TEXT for a key alone. */
  readonly shift: number;
  /** 1 when a quote follows the text. */
  readonly quote: number;
}

const NO_TEXT = -(2 ** 30);

function memberText(member: Member, start: number, end: number, scratch: Scratch): MemberText {
  const { block } = member;
  const keyStart = scratch.text.length, keyByteLength = writeKey(member, scratch.text);
  if (block === null) return { nulls: null, keyStart, keyByteLength, shift: NO_TEXT, quote: 0 };
  const { first, quoted } = textColumn(block, start, end, scratch);
  const quote = quoted ? 1 : 0;
  return { nulls: block.nulls, keyStart, keyByteLength: keyByteLength - 1 + quote, shift: first - start, quote };
}

/** @returns its length, the quote after it included. */
function writeKey({ text, key, opens }: Member, out: OutputBuffer): number {
  const start = out.length;
  out.reserve((text?.byteLength ?? 0) + (key?.byteLength ?? 0));
  let position = text === null ? start : writeFragment(out, start, text);
  if (key !== null) {
    const keyStart = opens ? position - 1 : position;
    position = writeFragment(out, keyStart, key);
    if (opens) out.bytes[keyStart] = OPEN_BRACE;
  }
  out.length = position;
  return position - start;
}

/** The most bytes that the rows' members take. */
function membersByteLength(members: readonly MemberText[], start: number, end: number, { offsets }: Scratch): number {
  let byteLength = 0;
  for (const { keyByteLength, shift, quote } of members) {
    byteLength += (keyByteLength + quote) * (end - start);
    if (shift !== NO_TEXT) byteLength += offsets[end + shift] - offsets[start + shift];
  }
  return byteLength;
}

/** Appends rows [start, end) of the plan's page, a line each. Clears the scratch first. */
export function writeRows(out: OutputBuffer, plan: RowPlan, start: number, end: number, scratch: Scratch): void {
  scratch.clear();
  const members = plan.members.map((member) => memberText(member, start, end, scratch));
  out.reserve((1 + plan.tail.length) * (end - start) + membersByteLength(members, start, end, scratch));
  out.length = writeMembers(out, members, start, end, plan, scratch);
}

/** Texts above this length are copied in bulk. */
const MAX_WORDS_BYTES = 256;

/**
 * The hot loop. The first 16 bytes are copied without a look at the length, since most keys and texts aren't longer; sums
 * are cut to 32 bits, since they are known to fit, and V8 checks them otherwise.
 *
 * @returns the position after the rows.
 */
function writeMembers(
  out: OutputBuffer,
  members: readonly MemberText[],
  firstRow: number,
  endRow: number,
  { opensAt, tail }: RowPlan,
  scratch: Scratch,
): number {
  const { view } = out, { offsets } = scratch, texts = scratch.text.view;
  let position = out.length;
  for (let row = firstRow; row < endRow; row++) {
    const rowStart = position;
    let brace = rowStart;
    for (let m = 0; m < members.length; m++) {
      if (m === opensAt) brace = position = (position - 1) | 0;
      const { nulls, keyStart, keyByteLength, shift, quote } = members[m];
      if (nulls !== null && (nulls[row >> 3] & (1 << (row & 7))) !== 0) continue;
      view.setBigUint64(position, texts.getBigUint64(keyStart, true), true);
      view.setBigUint64((position + 8) | 0, texts.getBigUint64((keyStart + 8) | 0, true), true);
      for (let i = 16; i < keyByteLength; i = (i + 8) | 0) {
        view.setBigUint64((position + i) | 0, texts.getBigUint64((keyStart + i) | 0, true), true);
      }
      position = (position + keyByteLength) | 0;
      if (shift === NO_TEXT) continue;
      const at = (row + shift) | 0, start = offsets[at] | 0, byteLength = (offsets[(at + 1) | 0] - start) | 0;
      if (byteLength > MAX_WORDS_BYTES) {
        copyRange(out, position, scratch.text, start, start + byteLength);
      } else {
        view.setBigUint64(position, texts.getBigUint64(start, true), true);
        view.setBigUint64((position + 8) | 0, texts.getBigUint64((start + 8) | 0, true), true);
        for (let i = 16; i < byteLength; i = (i + 8) | 0) {
          view.setBigUint64((position + i) | 0, texts.getBigUint64((start + i) | 0, true), true);
        }
      }
      position = (position + byteLength) | 0;
      view.setUint8(position, QUOTE);
      position = (position + quote) | 0;
    }
    view.setUint8(rowStart, OPEN_BRACE);
    view.setUint8(brace, OPEN_BRACE);
    if (position === brace) position++;
    view.setUint32(position, tail.word, true);
    position = (position + tail.length) | 0;
  }
  return position;
}
