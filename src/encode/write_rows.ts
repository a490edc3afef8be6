/**
 * The hot loop: rows from text columns. Each value is one copy of its key and one of its text, eight bytes at a time.
 *
 * Rows are taken in runs. Of a run only the members that some of its rows have are looked at, and of those only the values
 * that are there: where not all rows have all of them, a list a row says which they are. So the time follows the values.
 */
import { appendText, copyRange, type OutputBuffer } from "./output_buffer.ts";
import type { Member, RowPlan } from "./row_plan.ts";
import type { Scratch } from "./scratch.ts";
import { contentByteLength, textColumn } from "./text_column.ts";

const QUOTE = 0x22, OPEN_BRACE = 0x7b;

/**
 * Runs have so many rows, more where members are sparse, so that one has as many values in a run as a dense one; they are
 * of at most so many values, and of so many bytes unless one row is larger.
 */
const RUN_ROWS = 256;
const RUN_VALUES = 2 ** 16;
export const RUN_BYTES = 2 ** 19;

/** A member of the run's rows with its texts, where the loop finds it. */
interface MemberText {
  /** Where the scratch has the key. */
  readonly keyStart: number;
  readonly keyByteLength: number;
  /** 1 when a quote follows the text. */
  readonly quote: number;
  /** The index in the scratch's offsets of the text of the next row that has one; NO_TEXT for a key alone. */
  next: number;
}

const NO_TEXT = -1;
const NO_ROWS: RowPlan = { members: [], opensAt: 0, tail: { word: 0, length: 0 } };

/** Walks over the rows of one plan after the other, from the first to the last, a run at a time. */
export class RowWalk {
  /** The run is [start, end). */
  start = 0;
  end = 0;
  readonly #scratch: Scratch;
  #plan: RowPlan = NO_ROWS;
  #rowCount = 0;
  #maxRunRows = 0;
  /** By member: the run's values are [from, to). */
  #from: Uint32Array = new Uint32Array(0);
  #to: Uint32Array = new Uint32Array(0);
  /** The members that the run has. */
  #texts: MemberText[] = [];
  /** Of these, the first that is at or after the plan's opensAt. */
  #opensAt = 0;
  /** Where the scratch lists, by row of the run, the end of its members; -1 when all rows have all. */
  #listEnds = -1;
  /** Where the members of the next row are listed. */
  #listNext = 0;
  #maxByteLength = 0;

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** Goes to the start of the plan's rows, of which there are so many. */
  begin(plan: RowPlan, rowCount: number): void {
    const { members } = plan;
    this.start = this.end = 0;
    this.#plan = plan;
    this.#rowCount = rowCount;
    if (members.length > this.#to.length) {
      this.#from = new Uint32Array(2 * members.length);
      this.#to = new Uint32Array(2 * members.length);
    } else this.#to.fill(0, 0, members.length);
    let values = 0;
    for (const { rows } of members) values += rows.valueCount;
    const perRow = Math.max(1, values) / rowCount;
    this.#maxRunRows = Math.max(1, Math.ceil(Math.min(RUN_ROWS * members.length, RUN_VALUES) / perRow));
  }

  /** Makes the next run ready to be written; false when there is none. Clears the scratch. */
  advance(): boolean {
    this.start = this.end;
    if (this.start >= this.#rowCount) return false;
    [this.#from, this.#to] = [this.#to, this.#from];
    this.end = Math.min(this.#rowCount, this.start + this.#maxRunRows);
    while (this.#measure() > RUN_BYTES && this.end > this.start + 1) {
      this.end = this.start + Math.ceil((this.end - this.start) / 2);
    }
    this.#scratch.clear();
    this.#render();
    return true;
  }

  /** Appends the run's rows [start, end), a line each: once each, in their order. */
  write(out: OutputBuffer, start: number, end: number): void {
    out.reserve(this.#maxByteLength);
    const ends = this.#listEnds;
    const list = ends < 0 ? null : { next: this.#listNext, ends: ends + start - this.start };
    const span = { rowCount: end - start, opensAt: this.#opensAt, list };
    out.length = writeMembers(out, this.#texts, span, this.#plan, this.#scratch);
    if (ends >= 0) this.#listNext = this.#scratch.offsets[ends + end - this.start - 1];
  }

  /** Finds the run's values, and says how many bytes they have. */
  #measure(): number {
    const { members } = this.#plan;
    let byteLength = 0;
    for (let m = 0; m < members.length; m++) {
      const { block, rows: { rows, valueCount } } = members[m];
      const from = this.#from[m];
      let to = this.end;
      if (rows !== null) { for (to = from; to < valueCount && rows[to] < this.end;) to++; }
      this.#to[m] = to;
      if (block !== null && to > from) byteLength += contentByteLength(block, { from, to });
    }
    return byteLength;
  }

  #render(): void {
    const { members, opensAt, tail } = this.#plan;
    const rowCount = this.end - this.start;
    const present: number[] = [];
    let isFull = true, byteLength = (1 + tail.length) * rowCount;
    this.#texts = [];
    this.#opensAt = 0;
    for (let m = 0; m < members.length; m++) {
      const count = this.#to[m] - this.#from[m];
      if (count === 0) continue;
      if (count !== rowCount) isFull = false;
      if (m < opensAt) this.#opensAt++;
      present.push(m);
      byteLength += this.#renderMember(members[m], { from: this.#from[m], to: this.#to[m] });
    }
    this.#maxByteLength = byteLength;
    this.#listEnds = -1;
    if (!isFull) this.#listMembers(present);
  }

  /** @returns the most bytes that the member takes in all rows. */
  #renderMember(member: Member, range: { readonly from: number; readonly to: number }): number {
    const scratch = this.#scratch, { block } = member;
    const keyStart = scratch.text.length, keyByteLength = writeKey(member, scratch.text);
    const count = range.to - range.from;
    if (block === null) {
      this.#texts.push({ keyStart, keyByteLength, quote: 0, next: NO_TEXT });
      return keyByteLength * count;
    }
    const { shift, byteLength, quoted } = textColumn(block, range, scratch);
    const quote = quoted ? 1 : 0;
    this.#texts.push({ keyStart, keyByteLength: keyByteLength - 1 + quote, quote, next: range.from + shift });
    return (keyByteLength + quote) * count + byteLength;
  }

  /** Lists for each row of the run which of the texts it has, in their order. */
  #listMembers(present: readonly number[]): void {
    const { start, end } = this, { members } = this.#plan;
    const rowCount = end - start;
    let total = 0;
    for (const m of present) total += this.#to[m] - this.#from[m];
    const ends = this.#scratch.takeOffsets(rowCount), first = this.#scratch.takeOffsets(total);
    const { offsets } = this.#scratch;
    let full = 0;
    offsets.fill(0, ends, ends + rowCount);
    for (const m of present) {
      const from = this.#from[m], to = this.#to[m], { rows } = members[m].rows;
      if (to - from === rowCount) full++;
      else for (let i = from; i < to; i++) offsets[ends + rows![i] - start]++;
    }
    for (let row = 0, at = first; row < rowCount; row++) {
      const count = offsets[ends + row] + full;
      offsets[ends + row] = at;
      at += count;
    }
    for (let t = 0; t < present.length; t++) {
      const from = this.#from[present[t]], to = this.#to[present[t]], { rows } = members[present[t]].rows;
      if (to - from === rowCount) { for (let row = 0; row < rowCount; row++) offsets[offsets[ends + row]++] = t; }
      else for (let i = from; i < to; i++) offsets[offsets[ends + rows![i] - start]++] = t;
    }
    this.#listEnds = ends;
    this.#listNext = first;
  }
}

/** @returns its length, the quote after it included. */
function writeKey({ text, key, opens }: Member, out: OutputBuffer): number {
  const start = out.length;
  appendText(out, text);
  // The key's comma has to go: it takes the place of the brace, which is set anew.
  if (opens) out.length--;
  const keyStart = out.length;
  appendText(out, key);
  if (opens) out.bytes[keyStart] = OPEN_BRACE;
  return out.length - start;
}

/** Rows that are written at once. */
interface RowSpan {
  readonly rowCount: number;
  /** Of this member and those after it, the first one that a row has comes right after an open brace. */
  readonly opensAt: number;
  /**
   * Where the scratch's offsets list the members of the first row, and where they have the end of each row's. Null: each
   * row has all.
   */
  readonly list: { readonly next: number; readonly ends: number } | null;
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
  { rowCount, opensAt, list }: RowSpan,
  { tail }: RowPlan,
  scratch: Scratch,
): number {
  const { view } = out, { offsets } = scratch, texts = scratch.text.view;
  const isListed = list !== null, ends = list?.ends ?? 0;
  let position = out.length, listed = list?.next ?? 0, listedEnd = members.length;
  for (let row = 0; row < rowCount; row++) {
    const rowStart = position;
    let brace = rowStart;
    if (isListed) listedEnd = offsets[ends + row];
    else listed = 0;
    for (; listed < listedEnd; listed++) {
      const m = isListed ? offsets[listed] : listed;
      const member = members[m];
      const { keyStart, keyByteLength, quote, next } = member;
      if (m >= opensAt && brace === rowStart) brace = position = (position - 1) | 0;
      view.setBigUint64(position, texts.getBigUint64(keyStart, true), true);
      view.setBigUint64((position + 8) | 0, texts.getBigUint64((keyStart + 8) | 0, true), true);
      for (let i = 16; i < keyByteLength; i = (i + 8) | 0) {
        view.setBigUint64((position + i) | 0, texts.getBigUint64((keyStart + i) | 0, true), true);
      }
      position = (position + keyByteLength) | 0;
      if (next === NO_TEXT) continue;
      member.next = (next + 1) | 0;
      const start = offsets[next] | 0, byteLength = (offsets[(next + 1) | 0] - start) | 0;
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
