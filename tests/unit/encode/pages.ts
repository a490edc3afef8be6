/** Pages built by hand, value by value, so that the encoder's tests stand on nothing but the block types. */
import type { Block, BlockRows, ScalarBlock, VarcharBlock } from "../../../src/columnar/block.ts";
import type { Page } from "../../../src/columnar/page.ts";
import type { ColumnType, ScalarType, TimestampForm } from "../../../src/columnar/types.ts";

/** A value as a block takes it: BIGINT a bigint; DATE days; TIMESTAMP ms or us; JSON its text; MAP entries. */
export type Value =
  | boolean
  | number
  | bigint
  | string
  | null
  | readonly Value[]
  | readonly (readonly [string, Value])[];

export interface ColumnSpec {
  readonly name: string;
  readonly type: ColumnType;
  readonly values: readonly Value[];
  readonly form?: TimestampForm;
}

const utf8 = new TextEncoder();

/** Which of the values are there: the rows of those that aren't null. */
function rowsOf(values: readonly Value[]): BlockRows {
  const rows = values.flatMap((value, row) => value === null ? [] : [row]);
  const isFull = rows.length === values.length;
  return { rowCount: values.length, valueCount: rows.length, rows: isFull ? null : Uint32Array.from(rows) };
}

function offsetsOf(lengths: readonly number[]): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => offsets[i + 1] = offsets[i] + length);
  return offsets;
}

export function varcharBlock(all: readonly Value[], type: "VARCHAR" | "JSON" = "VARCHAR"): VarcharBlock {
  const values = all.filter((value) => value !== null) as string[];
  const parts = values.map((value) => utf8.encode(value));
  const offsets = offsetsOf(parts.map((part) => part.length));
  const bytes = new Uint8Array(offsets[values.length]);
  parts.forEach((part, i) => bytes.set(part, offsets[i]));
  // deno-lint-ignore no-control-regex -- control characters are what it is about
  const plain = !values.some((value) => /["\\\u0000-\u001f]/.test(value));
  return { type, ...rowsOf(all), bytes, offsets, plain };
}

/** The block of a column of one of the scalar types or JSON. */
function scalarBlock(type: ScalarType | "JSON", all: readonly Value[], form: TimestampForm): ScalarBlock {
  const rows = rowsOf(all), values = all.filter((value) => value !== null);
  const numbers = values.map(Number);
  switch (type) {
    case "BOOLEAN":
      return { type, ...rows, values: Uint8Array.from(numbers) };
    case "INTEGER":
    case "DATE":
      return { type, ...rows, values: Int32Array.from(numbers) };
    case "BIGINT":
      return { type, ...rows, values: BigInt64Array.from(values as bigint[]) };
    case "DOUBLE":
      return { type, ...rows, values: Float64Array.from(numbers) };
    case "TIMESTAMP":
      return { type, ...rows, values: Float64Array.from(numbers), form };
    case "VARCHAR":
    case "JSON":
      return varcharBlock(all, type);
  }
}

export function blockOf({ type, values, form = "EPOCH_MS" }: Omit<ColumnSpec, "name">): Block {
  const nested = /^(ARRAY|MAP)\((\w+)\)$/.exec(type);
  if (nested === null) return scalarBlock(type as ScalarType | "JSON", values, form);
  const items = values.filter((value) => value !== null) as (readonly Value[])[];
  const offsets = offsetsOf(items.map((item) => item.length));
  const common = { ...rowsOf(values), offsets };
  const element = nested[2] as ScalarType;
  if (nested[1] === "ARRAY") {
    return { ...common, type: `ARRAY(${element})`, elements: scalarBlock(element, items.flat(1), form) };
  }
  const entries = items.flat(1) as unknown as readonly (readonly [string, Value])[];
  const keys = varcharBlock(entries.map(([key]) => key));
  return { ...common, type: `MAP(${element})`, keys, values: scalarBlock(element, entries.map(([, v]) => v), form) };
}

/** A page of these columns; event times are `eventTimes` or those of the time column. */
export function pageOf(
  columns: readonly ColumnSpec[],
  options: {
    readonly project?: string;
    readonly collection?: string;
    readonly time?: string;
    readonly user?: string;
    readonly eventTimes?: readonly number[];
    readonly arrivalTimes?: readonly number[];
    readonly rowCount?: number;
  } = {},
): Page {
  const rowCount = options.rowCount ?? columns[0].values.length;
  const index = (name: string) => columns.findIndex((column) => column.name === name);
  const timeColumn = index(options.time ?? "_time");
  const times = timeColumn < 0
    ? []
    : columns[timeColumn].values.map((value) => typeof value === "number" ? value : NaN);
  const all = (values: readonly number[]) => Float64Array.from({ length: rowCount }, (_, i) => values[i] ?? NaN);
  return {
    table: { project: options.project ?? "shop", collection: options.collection ?? "click" },
    positionCount: rowCount,
    columns: columns.map(({ name, type }) => ({ name, type })),
    blocks: columns.map(blockOf),
    eventTimes: all(options.eventTimes ?? times),
    arrivalTimes: all(options.arrivalTimes ?? []),
    timeColumn,
    userColumn: index(options.user ?? "_user"),
  };
}
