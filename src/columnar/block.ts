import type { ColumnType, TimestampForm } from "./types.ts";

/**
 * The values of one column for the rows of one page: plain typed arrays that can be handed to a columnar writer or
 * transferred to another isolate as they are. Only values that are there are held, one after the other in the order of
 * their rows: nulls take no room, in no array. So there are two counts: value i, of `valueCount`, is that of row `rows[i]`,
 * of `rowCount`. Arrays may be longer.
 */
export interface BlockRows {
  readonly rowCount: number;
  readonly valueCount: number;
  /** The rows that have a value, ascending, the first `valueCount` of it; null when all rows have one: value i is row i's. */
  readonly rows: Uint32Array | null;
}

export interface BooleanBlock extends BlockRows {
  readonly type: "BOOLEAN";
  /** 0 or 1. */
  readonly values: Uint8Array;
}

export interface IntegerBlock extends BlockRows {
  readonly type: "INTEGER";
  readonly values: Int32Array;
}

export interface BigintBlock extends BlockRows {
  readonly type: "BIGINT";
  readonly values: BigInt64Array;
}

export interface DoubleBlock extends BlockRows {
  readonly type: "DOUBLE";
  readonly values: Float64Array;
}

/** Days since 1970-01-01. */
export interface DateBlock extends BlockRows {
  readonly type: "DATE";
  readonly values: Int32Array;
}

/** Epoch milliseconds; microseconds when `form` is ISO_US. Whole numbers within +-2^53. */
export interface TimestampBlock extends BlockRows {
  readonly type: "TIMESTAMP";
  readonly values: Float64Array;
  readonly form: TimestampForm;
}

/** UTF-8 (always valid): value i is `bytes[offsets[i], offsets[i + 1])`. A JSON block holds JSON text without line breaks. */
export interface VarcharBlock extends BlockRows {
  readonly type: "VARCHAR" | "JSON";
  readonly bytes: Uint8Array;
  /** Length valueCount + 1 (at least). */
  readonly offsets: Uint32Array;
  /** True when no value holds a quote, a backslash or a control character: it can stand in a JSON string as it is. */
  readonly plain: boolean;
}

/** Value i holds the elements `offsets[i]` to `offsets[i + 1]` of `elements`, which are its rows. */
export interface ArrayBlock extends BlockRows {
  readonly type: Extract<ColumnType, `ARRAY(${string})`>;
  /** Length valueCount + 1 (at least). */
  readonly offsets: Uint32Array;
  readonly elements: ScalarBlock;
}

/** Value i holds the entries `offsets[i]` to `offsets[i + 1]` of `keys` and `values`, in the record's own order. */
export interface MapBlock extends BlockRows {
  readonly type: Extract<ColumnType, `MAP(${string})`>;
  /** Length valueCount + 1 (at least). */
  readonly offsets: Uint32Array;
  /** VARCHAR without nulls. */
  readonly keys: VarcharBlock;
  readonly values: ScalarBlock;
}

export type ScalarBlock =
  | BooleanBlock
  | IntegerBlock
  | BigintBlock
  | DoubleBlock
  | DateBlock
  | TimestampBlock
  | VarcharBlock;
export type Block = ScalarBlock | ArrayBlock | MapBlock;

/** Which of the values is that of row `row`; -1 when that is null. Costs the logarithm of the values where some rows are null. */
export function valueIndex({ rows, valueCount }: Omit<BlockRows, "rowCount">, row: number): number {
  if (rows === null) return row;
  const index = firstValueFrom(rows, valueCount, row);
  return index < valueCount && rows[index] === row ? index : -1;
}

/** How many of the values belong to rows before `row`: the index of the first that doesn't. */
export function valuesBefore({ rows, valueCount }: Omit<BlockRows, "rowCount">, row: number): number {
  return rows === null ? row : firstValueFrom(rows, valueCount, row);
}

function firstValueFrom(rows: Uint32Array, valueCount: number, row: number): number {
  let low = 0, high = valueCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle] < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether row `row` is null. */
export function isNull(block: Block, row: number): boolean {
  return valueIndex(block, row) < 0;
}
