import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import type { TableBuilder } from "../../columnar/table_builder.ts";
import { JsonColumnWriter } from "../json/column_writer.ts";

/** Appends values that are given as JSON text, by the rules for JSON records. */
export class TokenAppender extends JsonColumnWriter {
  /** False when the column, which may only hold scalars, can't hold the value; nothing was appended then. */
  append(
    table: TableBuilder | null,
    column: ColumnBuilder,
    { row, text }: { row: number; text: Uint8Array },
  ): boolean {
    this.table = table;
    this.setBytes(text);
    this.start = 0;
    this.end = text.length;
    return this.appendValue(column, row, 0) >= 0;
  }
}
