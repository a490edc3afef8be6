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
 * where the object holds several of them (its key has no {project} or {table}); should a column have that name
 * already, ours gets one more `$`. Nulls are left out in both.
 */
import { type Block, isNull } from "../columnar/block.ts";
import type { Page } from "../columnar/page.ts";
import { type Fragment, fragment } from "./output_buffer.ts";

export type RowFormat = "rakam" | "flat";

/** Which names a row itself must say, since the object's key doesn't (flat rows only; rakam rows say both). */
export interface RowNames {
  readonly project: boolean;
  readonly table: boolean;
}

/** A part of each row of a page: text that is the same in all rows, and a column's value after it. */
export interface Member {
  /** Null when the key stands alone. */
  readonly text: Fragment | null;
  /** `,"name":"`, with a string's quote; null for text alone. */
  readonly key: Fragment | null;
  /** Whether the text ends with an open brace: then the key's comma has to go. */
  readonly opens: boolean;
  /** Null for text alone. A row where it is null doesn't have the member. */
  readonly block: Block | null;
}

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

/** Makes fragments of texts once: pages of a table have the same ones. Emptied when it reaches MAX_FRAGMENTS. */
class FragmentCache {
  readonly #fragments = new Map<string, Fragment>();
  readonly #toText: (name: string) => string;

  constructor(toText: (name: string) => string) {
    this.#toText = toText;
  }

  get(name: string): Fragment {
    let found = this.#fragments.get(name);
    if (found === undefined) {
      if (this.#fragments.size >= MAX_FRAGMENTS) this.#fragments.clear();
      found = fragment(this.#toText(name));
      this.#fragments.set(name, found);
    }
    return found;
  }
}

const MAX_FRAGMENTS = 10_000;
const keys = new FragmentCache((name) => `,${JSON.stringify(name)}:"`);
const texts = new FragmentCache((text) => text);

/** Collects the members of a plan. Text and a column that is never null become one member, so that they are one copy. */
class PlanBuilder {
  readonly #members: Member[] = [];
  #text = "";
  #opensAt = Infinity;

  text(text: string): void {
    this.#text += text;
  }

  column(name: string, block: Block): void {
    const opens = this.#text.endsWith("{");
    if (block.nulls !== null) this.#endText();
    if (opens && block.nulls !== null) this.#opensAt = this.#members.length;
    const text = this.#text === "" ? null : texts.get(this.#text);
    this.#text = "";
    this.#members.push({ text, key: keys.get(name), opens: opens && text !== null, block });
  }

  build(tail: RowTail): RowPlan {
    this.#endText();
    return { members: this.#members, opensAt: Math.min(this.#opensAt, this.#members.length), tail };
  }

  #endText(): void {
    if (this.#text === "") return;
    this.#members.push({ text: texts.get(this.#text), key: null, opens: false, block: null });
    this.#text = "";
  }
}

/** Says how the rows of a page are written. */
export function planRows(page: Page, format: RowFormat, names: RowNames): RowPlan {
  return format === "rakam" ? planRakam(page) : planFlat(page, names);
}

function planRakam(page: Page): RowPlan {
  const { table, columns, blocks, timeColumn, userColumn } = page;
  const plan = new PlanBuilder();
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
  const taken = new Set(columns.map((column) => column.name));
  const plan = new PlanBuilder();
  const constant = (name: string, value: string) => {
    while (taken.has(name)) name = `$${name}`;
    plan.text(`,${JSON.stringify(name)}:${JSON.stringify(value)}`);
  };
  if (names.project) constant("$schema", table.project);
  if (names.table) constant("$table", table.collection);
  columns.forEach(({ name }, i) => plan.column(name, blocks[i]));
  return plan.build(FLAT_TAIL);
}

/** The event times as a column, null where they aren't times. */
function eventTimes({ positionCount, eventTimes: values }: Page): Block {
  let nulls: Uint8Array | null = null, whole = true;
  for (let row = 0; row < positionCount; row++) {
    if (Number.isFinite(values[row])) {
      whole &&= Number.isSafeInteger(values[row]);
    } else {
      nulls ??= new Uint8Array(Math.ceil(positionCount / 8));
      nulls[row >> 3] |= 1 << (row & 7);
    }
  }
  const common = { rowCount: positionCount, nulls, values };
  return whole ? { ...common, type: "TIMESTAMP", form: "EPOCH_MS" } : { ...common, type: "DOUBLE" };
}

/** The time column where `_time` doesn't give its value back; null when it always does, as it should. */
function unrepeatedTimes(block: Block, { positionCount, eventTimes }: Page): Block | null {
  if (block.type !== "TIMESTAMP" || block.form === "ISO_US") return block;
  let nulls: Uint8Array | null = null;
  for (let row = positionCount - 1; row >= 0; row--) {
    if (isNull(block, row) || block.values[row] === eventTimes[row]) continue;
    nulls ??= new Uint8Array(Math.ceil(positionCount / 8)).fill(0xff);
    nulls[row >> 3] &= ~(1 << (row & 7));
  }
  return nulls === null ? null : { ...block, nulls };
}
