import type { JsonTable } from "./table.ts";

/** Longer prefixes aren't worth remembering. */
const MAX_PREFIX_LENGTH = 512;
const SLOTS = 256;
/** More words than a record has. */
const NONE = 2 ** 28;
/** Prefixes in one slot; a further one takes the place of the oldest. */
const MAX_SLOT_SIZE = 4;
/** Most additions in a page: with more, the stream has more tables, or changes more before its fields, than this pays for. */
const MAX_ADDITIONS = 4096;

/** The bytes before the fields of a row, and the table that they name. */
interface Prefix {
  readonly words: Int32Array;
  /** The bits of the last word that count. */
  readonly lastMask: number;
  readonly length: number;
  readonly table: JsonTable;
}

/**
 * Remembers what stands before the fields of rows. A producer writes the same bytes there for every record of a table, so
 * comparing them saves reading them: a quarter of the time of a 430-byte record.
 *
 * Where a prefix ends isn't known before it is found, so the slot follows from as many bytes as the shortest of them has.
 */
export class JsonPrefixes {
  #slots: Prefix[][] = newSlots();
  /** Words of the shortest prefix. */
  #hashedWords = NONE;
  #additions = 0;
  /** Length of the prefix that was found last. */
  length = 0;

  /** The table whose prefix, of `length` bytes, stands at `start`; null when there is no known one. */
  find(view: DataView, start: number, end: number): JsonTable | null {
    if (start + 4 * this.#hashedWords > end) return null;
    const slot = this.#slots[this.#slotOf(view, start)];
    for (let i = 0; i < slot.length; i++) {
      const prefix = slot[i];
      if (!isPrefix(prefix, view, start, end)) continue;
      this.length = prefix.length;
      return prefix.table;
    }
    return null;
  }

  /** Remembers that rows which begin with view[start, start + length) go to the table. */
  add(view: DataView, start: number, length: number, table: JsonTable): void {
    const wordCount = (length + 3) >> 2;
    if (length > MAX_PREFIX_LENGTH || start + 4 * wordCount > view.byteLength) return;
    if (++this.#additions > MAX_ADDITIONS) return;
    if (length >> 2 < this.#hashedWords) {
      this.#slots = newSlots();
      this.#hashedWords = length >> 2;
    }
    const words = Int32Array.from({ length: wordCount }, (_, i) => view.getInt32(start + 4 * i, true));
    const rest = length & 3;
    const slot = this.#slots[this.#slotOf(view, start)];
    slot.unshift({ words, lastMask: rest === 0 ? -1 : (1 << (8 * rest)) - 1, length, table });
    if (slot.length > MAX_SLOT_SIZE) slot.pop();
  }

  /** Called once a page: additions may go on. Forgets all prefixes when tables have been forgotten. */
  reset(isAnyForgotten: boolean): void {
    this.#additions = 0;
    if (!isAnyForgotten) return;
    this.#slots = newSlots();
    this.#hashedWords = NONE;
  }

  #slotOf(view: DataView, start: number): number {
    const end = start + 4 * this.#hashedWords;
    let hash = 0;
    for (let i = start; i < end; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1);
    return (hash ^ (hash >>> 16)) & (SLOTS - 1);
  }
}

function newSlots(): Prefix[][] {
  return Array.from({ length: SLOTS }, () => []);
}

function isPrefix({ words, lastMask, length }: Prefix, view: DataView, start: number, end: number): boolean {
  if (start + length > end || start + 4 * words.length > view.byteLength) return false;
  const last = words.length - 1;
  for (let i = 0; i < last; i++) {
    if (view.getInt32(start + 4 * i, true) !== words[i]) return false;
  }
  return ((view.getInt32(start + 4 * last, true) ^ words[last]) & lastMask) === 0;
}
