/** The hot loop: rows from text columns. Each value is one copy of its key and one of its text, eight bytes at a time. */
import { copyRange, type OutputBuffer, writeFragment } from "./output_buffer.ts";
import type { Member, RowPlan } from "./row_plan.ts";
import { listRows, type RowList, type Scratch } from "./scratch.ts";
import { contentByteLength, textColumn } from "./text_column.ts";

const QUOTE = 0x22, OPEN_BRACE = 0x7b;

/** Rows are written in runs of at most so many, of so many values, and of so many bytes unless one row is larger. */
const RUN_ROWS = 256;
const RUN_VALUES = 2 ** 16;
export const RUN_BYTES = 2 ** 19;

/** The end of the run of rows that is best written next, from `start` on. */
export function runEnd({ members }: RowPlan, start: number, end: number): number {
  let next = Math.min(end, start + RUN_ROWS, start + Math.ceil(RUN_VALUES / Math.max(1, members.length)));
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
  /** The rows that have it. */
  readonly rows: RowList;
  /** Null when all rows have it. */
  readonly nulls: Uint8Array | null;
  /** Where the scratch has the key. */
  readonly keyStart: number;
  readonly keyByteLength: number;
  /** Added to a row: the index of its text in the scratch's offsets. NO_TEXT for a key alone. */
  readonly shift: number;
  /** 1 when a quote follows the text. */
  readonly quote: number;
  /** The most bytes that it takes in all rows. */
  readonly maxByteLength: number;
}

const NO_TEXT = -(2 ** 30);

function memberText(member: Member, all: RowList, scratch: Scratch): MemberText {
  const { block } = member;
  const keyStart = scratch.text.length, keyByteLength = writeKey(member, scratch.text);
  if (block === null) {
    const maxByteLength = keyByteLength * all.count;
    return { rows: all, nulls: null, keyStart, keyByteLength, shift: NO_TEXT, quote: 0, maxByteLength };
  }
  const rows = block.nulls === null ? all : listRows(scratch, block.nulls, all.start, all.end);
  const nulls = rows.count === all.count ? null : block.nulls;
  const { shift, byteLength, quoted } = textColumn(block, rows, scratch);
  const quote = quoted ? 1 : 0, maxByteLength = (keyByteLength + quote) * rows.count + byteLength;
  return { rows, nulls, keyStart, keyByteLength: keyByteLength - 1 + quote, shift, quote, maxByteLength };
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

/** Appends rows [start, end) of the plan's page, a line each. Clears the scratch first. */
export function writeRows(out: OutputBuffer, plan: RowPlan, start: number, end: number, scratch: Scratch): void {
  scratch.clear();
  const all = listRows(scratch, null, start, end);
  const members = plan.members.map((member) => memberText(member, all, scratch));
  const maxByteLength = members.reduce((sum, member) => sum + member.maxByteLength, 0);
  out.reserve(maxByteLength + (1 + plan.tail.length) * all.count);
  const order = memberOrder(members, all, scratch);
  out.length = writeMembers(out, members, order, all, plan, scratch);
}

/**
 * Which members each row has. Rows that have most of them try them all; else the scratch's offsets list those of row
 * start + i from `first` + i * stride on, and from `counts` on how many they are.
 */
interface MemberOrder {
  readonly sparse: boolean;
  readonly first: number;
  readonly stride: number;
  readonly counts: number;
}

/** Below this share of values that are there a list is faster. */
const SPARSE = 0.5;

function memberOrder(members: readonly MemberText[], all: RowList, scratch: Scratch): MemberOrder {
  const stride = members.length;
  const present = members.reduce((sum, { rows }) => sum + rows.count, 0);
  if (present >= SPARSE * stride * all.count) return { sparse: false, first: 0, stride: 0, counts: 0 };
  const counts = scratch.takeOffsets(all.count), first = scratch.takeOffsets(stride * all.count);
  const { offsets } = scratch;
  offsets.fill(0, counts, counts + all.count);
  for (let m = 0; m < stride; m++) {
    const { rows } = members[m];
    for (let i = rows.first; i < rows.first + rows.count; i++) {
      const row = offsets[i] - all.start;
      offsets[first + row * stride + offsets[counts + row]++] = m;
    }
  }
  return { sparse: true, first, stride, counts };
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
  { sparse, first, stride, counts }: MemberOrder,
  { start: firstRow, end: endRow }: RowList,
  { opensAt, tail }: RowPlan,
  scratch: Scratch,
): number {
  const { view } = out, { offsets } = scratch, texts = scratch.text.view;
  let position = out.length;
  for (let row = firstRow; row < endRow; row++) {
    const rowStart = position;
    let brace = rowStart;
    const listed = sparse ? first + (row - firstRow) * stride : 0;
    const listedEnd = sparse ? listed + offsets[counts + row - firstRow] : members.length;
    for (let i = listed; i < listedEnd; i++) {
      const m = sparse ? offsets[i] : i;
      const { nulls, keyStart, keyByteLength, shift, quote } = members[m];
      if (!sparse && nulls !== null && (nulls[row >> 3] & (1 << (row & 7))) !== 0) continue;
      if (m >= opensAt && brace === rowStart) brace = position = (position - 1) | 0;
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
    if (position === rowStart) position++;
    view.setUint32(position, tail.word, true);
    position = (position + tail.length) | 0;
  }
  return position;
}
