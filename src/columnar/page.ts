/**
 * Columns: rows of a table are built column by column (table_builder.ts, column_builder.ts), each in the narrowest type that
 * holds its values exactly, and leave as pages of blocks.
 */
import type { Block } from "./block.ts";
import type { Column, TableName } from "./types.ts";

/**
 * `positionCount` rows of one table, a block a column. Columns stand in the order in which the table first saw them;
 * each page has its own, since columns widen and new ones appear. Plain data: it can be transferred between isolates.
 */
export interface Page {
  readonly table: TableName;
  readonly positionCount: number;
  readonly columns: readonly Column[];
  /** Same length and order as `columns`; each has positionCount rows. */
  readonly blocks: readonly Block[];
  /** Each row's event time, epoch ms (NaN when it has none or it isn't a time). Length positionCount (at least). */
  readonly eventTimes: Float64Array;
  /** When the source received each row, epoch ms (NaN when unknown). Length positionCount (at least). */
  readonly arrivalTimes: Float64Array;
  /** Index of the column with the event time, -1 when no row has one. */
  readonly timeColumn: number;
  /** Index of the column with the user, -1 when no row has one. */
  readonly userColumn: number;
}
