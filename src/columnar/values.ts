import type { Block } from "./block.ts";
import type { Kind } from "./kinds.ts";

/**
 * The growing storage of one column's values, one class a type. Which rows exist and which are null is the column
 * builder's knowledge; a `Values` only knows rows by number. The decoder writes into the arrays of the concrete class
 * itself, after it made room with `reserve`: a call a value would cost more than the value.
 */
export interface Values {
  readonly kind: Kind;
  /** Rows that there is room for. */
  readonly capacity: number;
  /** Makes room for `rowCount` rows. */
  reserve(rowCount: number): void;
  /** Gives the rows [from, to) what stands under a null. Makes room itself. */
  pad(from: number, to: number): void;
  /** Forgets the rows from `rowCount` on. */
  truncate(rowCount: number): void;
  /** The first `rowCount` rows as a block over this storage's own arrays. */
  block(rowCount: number, nulls: Uint8Array | null): Block;
  /** Forgets all rows, of which there were `rowCount`; gives back memory that was far more than needed. */
  recycle(rowCount: number): void;
  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void;
}
