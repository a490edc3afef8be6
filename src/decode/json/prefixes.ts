import type { ByteAccount } from "../../columnar/byte_account.ts";
import { ByteStrings } from "../byte_strings.ts";
import type { JsonTable } from "./table.ts";

/** Longer prefixes aren't worth remembering. */
const MAX_PREFIX_LENGTH = 512;
/** More words than a record has. */
const NONE = 2 ** 28;
/** Most additions in a page: with more, the stream has more tables, or changes more before its fields, than this pays for. */
const MAX_ADDITIONS = 16_384;
/** With more, remembering starts again at the next page. */
const MAX_PREFIXES = 262_144;
/** Prefixes of the same hash that are remembered. */
const MAX_TRIES = 4;

/**
 * Remembers what stands before the fields of rows. A producer writes the same bytes there for every record of a table, so
 * comparing them saves reading them: a quarter of the time of a 430-byte record.
 *
 * Where a prefix ends isn't known before it is found, so its hash follows from as many bytes as the shortest of them has.
 */
export class JsonPrefixes {
  readonly #prefixes: ByteStrings;
  /** By number. */
  #tables: JsonTable[] = [];
  /** Words of the shortest prefix. */
  #hashedWords = NONE;
  #additions = 0;
  /** Length of the prefix that was found last. */
  length = 0;

  constructor(account: ByteAccount) {
    this.#prefixes = new ByteStrings(account);
  }

  /** The table whose prefix, of `length` bytes, stands at `start`; null when there is no known one. */
  find(view: DataView, start: number, end: number): JsonTable | null {
    if (start + 4 * this.#hashedWords > end) return null;
    const id = this.#prefixes.findPrefix(view, { start, end, hash: this.#hashOf(view, start), maxTries: MAX_TRIES });
    if (id < 0) return null;
    this.length = this.#prefixes.lengthOf(id);
    return this.#tables[id];
  }

  /** Remembers that rows which begin with view[start, start + length) go to the table. */
  add(view: DataView, start: number, length: number, table: JsonTable): void {
    if (length > MAX_PREFIX_LENGTH || ++this.#additions > MAX_ADDITIONS) return;
    if (length >> 2 < this.#hashedWords) {
      this.#forget();
      this.#hashedWords = length >> 2;
    }
    const hash = this.#hashOf(view, start);
    if (this.#prefixes.findPrefix(view, { start, end: start, hash, maxTries: MAX_TRIES }) === -2) return;
    this.#prefixes.add(view, start, start + length, hash);
    this.#tables.push(table);
  }

  /** Called once a page: additions may go on. Forgets all prefixes when tables have been forgotten. */
  reset(isAnyForgotten: boolean): void {
    this.#additions = 0;
    if (!isAnyForgotten && this.#tables.length <= MAX_PREFIXES) return;
    this.#forget();
    this.#hashedWords = NONE;
  }

  #forget(): void {
    this.#prefixes.clear();
    this.#tables = [];
  }

  #hashOf(view: DataView, start: number): number {
    const end = start + 4 * this.#hashedWords;
    let hash = 0;
    for (let i = start; i < end; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1);
    return hash ^ (hash >>> 16);
  }
}
