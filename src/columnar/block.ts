import type { ColumnType, TimestampForm } from "./types.ts";

/**
 * The values of one column for the rows of one page: plain typed arrays that can be handed to a columnar writer or
 * transferred to another isolate as they are. `nulls` is a bitmap, bit i (least significant first) set when row i is
 * null, and null when no row is; values under a null are unspecified. `rowCount` counts rows; arrays may be longer.
 */
export interface BooleanBlock {
  readonly type: "BOOLEAN";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  /** 0 or 1. */
  readonly values: Uint8Array;
}

export interface IntegerBlock {
  readonly type: "INTEGER";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly values: Int32Array;
}

export interface BigintBlock {
  readonly type: "BIGINT";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly values: BigInt64Array;
}

export interface DoubleBlock {
  readonly type: "DOUBLE";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly values: Float64Array;
}

/** Days since 1970-01-01. */
export interface DateBlock {
  readonly type: "DATE";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly values: Int32Array;
}

/** Epoch milliseconds; microseconds when `form` is ISO_US. Whole numbers within +-2^53. */
export interface TimestampBlock {
  readonly type: "TIMESTAMP";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly values: Float64Array;
  readonly form: TimestampForm;
}

/** UTF-8 (always valid): row i is `bytes[offsets[i], offsets[i + 1])`. A JSON block holds JSON text without line breaks. */
export interface VarcharBlock {
  readonly type: "VARCHAR" | "JSON";
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  readonly bytes: Uint8Array;
  /** Length rowCount + 1 (at least). Nulls have length 0. */
  readonly offsets: Uint32Array;
  /** True when no value holds a quote, a backslash or a control character: it can stand in a JSON string as it is. */
  readonly plain: boolean;
}

/** Row i holds the elements `offsets[i]` to `offsets[i + 1]` of `elements`. */
export interface ArrayBlock {
  readonly type: Extract<ColumnType, `ARRAY(${string})`>;
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  /** Length rowCount + 1 (at least). */
  readonly offsets: Uint32Array;
  readonly elements: ScalarBlock;
}

/** Row i holds the entries `offsets[i]` to `offsets[i + 1]` of `keys` and `values`, in the record's own order. */
export interface MapBlock {
  readonly type: Extract<ColumnType, `MAP(${string})`>;
  readonly rowCount: number;
  readonly nulls: Uint8Array | null;
  /** Length rowCount + 1 (at least). */
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

/** Whether row `row` is null. */
export function isNull(block: Block, row: number): boolean {
  return block.nulls !== null && (block.nulls[row >> 3] & (1 << (row & 7))) !== 0;
}
