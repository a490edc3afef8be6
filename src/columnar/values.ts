import type { Block, BlockRows } from "./block.ts";
import type { Kind } from "./kinds.ts";

/**
 * The growing storage of one column's values, one class a type. Which rows have one is the column builder's knowledge; a
 * `Values` only knows values by number. The decoder writes into the arrays of the concrete class itself, after it made
 * room with `reserve`: a call a value would cost more than the value.
 */
export interface Values {
  readonly kind: Kind;
  /** Values that there is room for. */
  readonly capacity: number;
  /** Whether it has so little memory that any column may as well go on with it. Of storage that is empty. */
  readonly isSmall: boolean;
  /** Makes room for `count` values. */
  reserve(count: number): void;
  /** Forgets the values from `count` on. */
  truncate(count: number): void;
  /** The values of the rows as a block over this storage's own arrays. */
  block(rows: BlockRows): Block;
  /** Forgets all values, of which there were `count`; gives back memory that was far more than needed. */
  recycle(count: number): void;
  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void;
}
