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
import { type Block, isNull, type TimestampBlock } from "../columnar/block.ts";
import type { Page } from "../columnar/page.ts";
import { MAX_DOUBLE_BYTES, writeDouble } from "./numbers.ts";
import { type Fragment, fragment, type OutputBuffer, WORD_SLACK, writeFragment } from "./output_buffer.ts";
import { type ValueWriter, valueWriter } from "./value_writer.ts";

export type RowFormat = "rakam" | "flat";

/** Which names a row itself must say, since the object's key doesn't (flat rows only; rakam rows say both). */
export interface RowNames {
  readonly project: boolean;
  readonly table: boolean;
}

/** Writes rows of one page. */
export interface RowWriter {
  /** The most bytes that rows [start, end) take. */
  maxByteLength(start: number, end: number): number;
  /** Appends rows [start, end). The room is reserved already. */
  write(out: OutputBuffer, start: number, end: number): void;
}

/** Makes the writer of a page's rows. Cheap: a page of one row is no misuse. */
export function rowWriter(page: Page, format: RowFormat, names: RowNames): RowWriter {
  return format === "rakam" ? new RakamWriter(page) : new FlatWriter(page, names);
}

const OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d, NEW_LINE = 0x0a;

/** A column with its key: `,"name":`. */
interface ColumnWriter {
  readonly nulls: Uint8Array | null;
  readonly key: Fragment;
  readonly value: ValueWriter;
}

/** Keys by column name, since all pages of a table have the same ones. Emptied when it reaches MAX_KEYS. */
const keys = new Map<string, Fragment>();
const MAX_KEYS = 10_000;

function keyFragment(name: string): Fragment {
  let key = keys.get(name);
  if (key === undefined) {
    if (keys.size >= MAX_KEYS) keys.clear();
    key = fragment(`,${JSON.stringify(name)}:`);
    keys.set(name, key);
  }
  return key;
}

function columnWriter(name: string, block: Block): ColumnWriter {
  return { nulls: block.nulls, key: keyFragment(name), value: valueWriter(block) };
}

function columnsByteLength(columns: readonly ColumnWriter[], start: number, end: number): number {
  let fixed = 0, variable = 0;
  for (const { key, value } of columns) {
    fixed += key.byteLength + value.fixedByteLength;
    variable += value.variableByteLength(start, end);
  }
  return fixed * (end - start) + variable;
}

/**
 * Writes the columns of a row, each with a comma before it. The comma of the first one stands where the caller's open
 * brace is: the caller starts at that brace's place and writes the brace again.
 */
function writeColumns(out: OutputBuffer, columns: readonly ColumnWriter[], row: number, position: number): number {
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i];
    if (column.nulls !== null && (column.nulls[row >> 3] & (1 << (row & 7))) !== 0) continue;
    position = writeFragment(out, position, column.key);
    position = column.value.write(out, row, position);
  }
  return position;
}

class RakamWriter implements RowWriter {
  readonly #eventTimes: Float64Array;
  readonly #names: Fragment;
  readonly #user: ColumnWriter | null;
  /** The time column, where some row of it isn't repeated by `_time`. */
  readonly #time: { readonly column: ColumnWriter; readonly block: TimestampBlock } | null;
  readonly #columns: readonly ColumnWriter[];

  constructor(page: Page) {
    const { table, columns, blocks, timeColumn, userColumn } = page;
    this.#eventTimes = page.eventTimes;
    this.#names = fragment(`,"$schema":${JSON.stringify(table.project)},"$table":${JSON.stringify(table.collection)}`);
    this.#user = userColumn < 0 ? null : columnWriter("_user", blocks[userColumn]);
    this.#time = null;
    const others: ColumnWriter[] = [];
    for (const [i, { name }] of columns.entries()) {
      if (i === userColumn) continue;
      const block = blocks[i], column = columnWriter(name, block);
      if (i !== timeColumn || !inMilliseconds(block)) others.push(column);
      else if (!repeatsEventTimes(block, page)) this.#time = { column, block };
    }
    this.#columns = others;
  }

  maxByteLength(start: number, end: number): number {
    const fixed = TIME.byteLength + MAX_DOUBLE_BYTES + this.#names.byteLength + PROPERTIES.byteLength + 3 + WORD_SLACK;
    const columns = columnsByteLength(this.#columns, start, end);
    const user = this.#user === null ? 0 : columnsByteLength([this.#user], start, end);
    const time = this.#time === null ? 0 : columnsByteLength([this.#time.column], start, end);
    return fixed * (end - start) + columns + user + time;
  }

  write(out: OutputBuffer, start: number, end: number): void {
    let position = out.length;
    for (let row = start; row < end; row++) position = this.#writeRow(out, row, position);
    out.length = position;
  }

  #writeRow(out: OutputBuffer, row: number, position: number): number {
    const first = position;
    const eventTime = this.#eventTimes[row];
    if (Number.isFinite(eventTime)) {
      position = writeDouble(out, writeFragment(out, position, TIME), eventTime);
    }
    position = writeFragment(out, position, this.#names);
    out.bytes[first] = OPEN_BRACE;
    const user = this.#user;
    if (user !== null && (user.nulls === null || (user.nulls[row >> 3] & (1 << (row & 7))) === 0)) {
      position = writeFragment(out, position, user.key);
      position = user.value.write(out, row, position);
    }
    position = writeFragment(out, position, PROPERTIES);
    const brace = position - 1;
    position = this.#time === null ? brace : this.#writeTime(out, row, brace);
    position = writeColumns(out, this.#columns, row, position);
    const bytes = out.bytes;
    bytes[brace] = OPEN_BRACE;
    if (position === brace) position++;
    bytes[position] = CLOSE_BRACE;
    bytes[position + 1] = CLOSE_BRACE;
    bytes[position + 2] = NEW_LINE;
    return position + 3;
  }

  #writeTime(out: OutputBuffer, row: number, position: number): number {
    const { column, block } = this.#time!;
    if (isNull(block, row) || block.values[row] === this.#eventTimes[row]) return position;
    return column.value.write(out, row, writeFragment(out, position, column.key));
  }
}

const TIME = fragment(`,"_time":`);
const PROPERTIES = fragment(`,"properties":{`);

/** Whether an event time in ms can say all that the block's values say. */
function inMilliseconds(block: Block): block is TimestampBlock {
  return block.type === "TIMESTAMP" && block.form !== "ISO_US";
}

/** Whether `_time` gives every value back, as it should. */
function repeatsEventTimes(block: TimestampBlock, { positionCount, eventTimes }: Page): boolean {
  for (let row = 0; row < positionCount; row++) {
    if (block.values[row] !== eventTimes[row] && !isNull(block, row)) return false;
  }
  return true;
}

class FlatWriter implements RowWriter {
  /** Stands before the columns, with a comma at its start; empty when there is nothing to say. */
  readonly #names: Fragment;
  readonly #columns: readonly ColumnWriter[];

  constructor(page: Page, names: RowNames) {
    const taken = new Set(page.columns.map((column) => column.name));
    const member = (name: string, value: string) => {
      while (taken.has(name)) name = `$${name}`;
      return `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
    };
    const project = names.project ? member("$schema", page.table.project) : "";
    const table = names.table ? member("$table", page.table.collection) : "";
    this.#names = fragment(project + table);
    this.#columns = page.columns.map(({ name }, i) => columnWriter(name, page.blocks[i]));
  }

  maxByteLength(start: number, end: number): number {
    const fixed = this.#names.byteLength + 3 + WORD_SLACK;
    return fixed * (end - start) + columnsByteLength(this.#columns, start, end);
  }

  write(out: OutputBuffer, start: number, end: number): void {
    let position = out.length;
    for (let row = start; row < end; row++) {
      const brace = position;
      position = writeFragment(out, position, this.#names);
      position = writeColumns(out, this.#columns, row, position);
      const bytes = out.bytes;
      bytes[brace] = OPEN_BRACE;
      if (position === brace) position++;
      bytes[position] = CLOSE_BRACE;
      bytes[position + 1] = NEW_LINE;
      position += 2;
    }
    out.length = position;
  }
}
