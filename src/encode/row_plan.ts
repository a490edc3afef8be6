/**
 * Rows of a page as NDJSON, a line a row, in one of two formats.
 *
 *     rakam  {"_time":1577836800000,"$schema":"p","$table":"c","_user":"42","properties":{"url":"/"}}
 *     flat   {"$table":"c","_time":1577836800000,"_user":"42","url":"/"}
 *
 * rakam: `_time` is the event time in epoch ms, left out when the row has none. `_user` is the user column's value, left
 * out when null. The user column is never repeated in properties; the time column is left out there when `_time` says the same
 * (a TIMESTAMP in milliseconds), and kept when `_time` can't give it back (microseconds, an offset, text), value by
 * value, since nothing may be bent. flat: every column under its own name; `$schema` and `$table` come first, and only
 * where the object holds several of them (its key has no {project} or {table}); in a row that has a field of that name
 * itself, ours gets one more `$`. Nulls are left out in both.
 */
import { type Block, type BlockRows, isNull, valueIndex } from "../columnar/block.ts";
import type { Page } from "../columnar/page.ts";

export type RowFormat = "rakam" | "flat";

/** Which names a row itself must say, since the object's key doesn't (flat rows only; rakam rows say both). */
export interface RowNames {
  readonly project: boolean;
  readonly table: boolean;
}

/** A part of the rows of a page: text that is the same in all of them, and a column's value after it. */
export interface Member {
  /** Empty when the key stands alone. */
  readonly text: string;
  /** `,"name":"`, with a string's quote; empty for text alone. */
  readonly key: string;
  /** Whether the text ends with an open brace: then the key's comma has to go. */
  readonly opens: boolean;
  /** Null for text alone. */
  readonly block: Block | null;
  /** The rows that have the member: those where the block isn't null. */
  readonly rows: Presence;
}

/** Rows of a page: the first `valueCount` of `rows`; all, which are `valueCount`, when that is null. */
export type Presence = Omit<BlockRows, "rowCount">;

/** The rows of one page, ready to be written. Cheap to make: a page of one row is no misuse. */
export interface RowPlan {
  /** The first byte of a row is an open brace, whatever the members say (a comma). */
  readonly members: readonly Member[];
  /**
   * Of this member and those after it, the first one that a row has comes right after an open brace: its comma stands
   * where that brace is, which is then set anew. Past all members when there is no such place.
   */
  readonly opensAt: number;
  /** What ends a row: up to four bytes, the first in the lowest one. */
  readonly tail: RowTail;
}

interface RowTail {
  readonly word: number;
  readonly length: number;
}

function rowTail(text: string): RowTail {
  return { word: [...text].reduceRight((word, char) => (word << 8) | char.charCodeAt(0), 0), length: text.length };
}

const RAKAM_TAIL = rowTail("}}\n");
const FLAT_TAIL = rowTail("}\n");

/** Keys by name, since pages have the same ones. Emptied when it reaches MAX_KEYS. */
const keys = new Map<string, string>();
const MAX_KEYS = 10_000;

function keyOf(name: string): string {
  let key = keys.get(name);
  if (key === undefined) {
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(name, key = `,${JSON.stringify(name)}:"`);
  }
  return key;
}

/** Collects the members of a plan. Text and a column that is never null become one member, so that they are one copy. */
class PlanBuilder {
  readonly #members: Member[] = [];
  readonly #all: Presence;
  #text = "";
  #opensAt = Infinity;

  constructor(rowCount: number) {
    this.#all = { rows: null, valueCount: rowCount };
  }

  /** Text that all rows have. */
  text(text: string): void {
    this.#text += text;
  }

  /** Text that only some rows have. Not after an open brace. */
  textOf(rows: Presence, text: string): void {
    this.#endText();
    this.#members.push({ text, key: "", opens: false, block: null, rows });
  }

  column(name: string, block: Block): void {
    const opens = this.#text.endsWith("{");
    if (block.rows !== null) this.#endText();
    if (opens && block.rows !== null) this.#opensAt = this.#members.length;
    const text = this.#text;
    this.#text = "";
    this.#members.push({ text, key: keyOf(name), opens: opens && text !== "", block, rows: block });
  }

  build(tail: RowTail): RowPlan {
    this.#endText();
    return { members: this.#members, opensAt: Math.min(this.#opensAt, this.#members.length), tail };
  }

  #endText(): void {
    if (this.#text === "") return;
    this.#members.push({ text: this.#text, key: "", opens: false, block: null, rows: this.#all });
    this.#text = "";
  }
}

/** Says how the rows of a page are written. */
export function planRows(page: Page, format: RowFormat, names: RowNames): RowPlan {
  return format === "rakam" ? planRakam(page) : planFlat(page, names);
}

function planRakam(page: Page): RowPlan {
  const { table, columns, blocks, timeColumn, userColumn } = page;
  const plan = new PlanBuilder(page.positionCount);
  plan.column("_time", eventTimes(page));
  plan.text(`,"$schema":${JSON.stringify(table.project)},"$table":${JSON.stringify(table.collection)}`);
  if (userColumn >= 0) plan.column("_user", blocks[userColumn]);
  plan.text(`,"properties":{`);
  for (let i = 0; i < columns.length; i++) {
    if (i === userColumn) continue;
    const block = i === timeColumn ? unrepeatedTimes(blocks[i], page) : blocks[i];
    if (block !== null) plan.column(columns[i].name, block);
  }
  return plan.build(RAKAM_TAIL);
}

function planFlat(page: Page, names: RowNames): RowPlan {
  const { table, columns, blocks } = page;
  const plan = new PlanBuilder(page.positionCount);
  if (names.project) addConstant(plan, page, "$schema", table.project);
  if (names.table) addConstant(plan, page, "$table", table.collection);
  columns.forEach(({ name }, i) => plan.column(name, blocks[i]));
  return plan.build(FLAT_TAIL);
}

/** The same value in all rows: under its name or, in the rows that have a field of that name, with one more `$`. */
function addConstant(plan: PlanBuilder, { columns, blocks, positionCount }: Page, name: string, value: string): void {
  let missing: Presence = { rows: null, valueCount: positionCount };
  while (missing.valueCount > 0) {
    const text = `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
    const own = columns.findIndex((column) => column.name === name);
    if (own < 0) return missing.rows === null ? plan.text(text) : plan.textOf(missing, text);
    const [taken, free] = splitRows(missing, blocks[own]);
    if (free.valueCount > 0) plan.textOf(free, text);
    missing = taken;
    name = `$${name}`;
  }
}

/** Those of the rows where the block has a value, and the others. */
function splitRows(rows: Presence, block: Block): [Presence, Presence] {
  const taken: number[] = [], free: number[] = [];
  for (let i = 0; i < rows.valueCount; i++) {
    const row = rows.rows === null ? i : rows.rows[i];
    (isNull(block, row) ? free : taken).push(row);
  }
  return [presence(taken), presence(free)];
}

function presence(rows: readonly number[]): Presence {
  return { rows: Uint32Array.from(rows), valueCount: rows.length };
}

/** The event times as a column, null where they aren't times. */
function eventTimes({ positionCount: rowCount, eventTimes }: Page): Block {
  let whole = true, known = 0;
  for (let row = 0; row < rowCount; row++) {
    if (!Number.isFinite(eventTimes[row])) continue;
    known++;
    whole &&= Number.isSafeInteger(eventTimes[row]);
  }
  const times = known === rowCount
    ? { rowCount, valueCount: rowCount, rows: null, values: eventTimes }
    : picked(rowCount, eventTimes, (row) => Number.isFinite(eventTimes[row]) ? row : -1);
  return whole ? { ...times, type: "TIMESTAMP", form: "EPOCH_MS" } : { ...times, type: "DOUBLE" };
}

/** The time column where `_time` doesn't give its value back; null when it always does, as it should. */
function unrepeatedTimes(block: Block, { positionCount, eventTimes }: Page): Block | null {
  if (block.type !== "TIMESTAMP" || block.form === "ISO_US") return block;
  let repeated = 0;
  for (let i = 0; i < block.valueCount; i++) {
    if (block.values[i] === eventTimes[block.rows === null ? i : block.rows[i]]) repeated++;
  }
  if (repeated === block.valueCount) return null;
  const { values } = block;
  return {
    ...block,
    ...picked(positionCount, values, (row) => {
      const index = valueIndex(block, row);
      return index >= 0 && values[index] !== eventTimes[row] ? index : -1;
    }),
  };
}

/** The rows for which `indexOf` says which of the values is theirs. */
function picked(rowCount: number, values: Float64Array, indexOf: (row: number) => number) {
  const rows = new Uint32Array(rowCount), kept = new Float64Array(rowCount);
  let valueCount = 0;
  for (let row = 0; row < rowCount; row++) {
    const index = indexOf(row);
    if (index < 0) continue;
    rows[valueCount] = row;
    kept[valueCount++] = values[index];
  }
  return { rowCount, valueCount, rows, values: kept };
}
