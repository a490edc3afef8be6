import type { TableBuilder } from "../../columnar/table_builder.ts";
import type { TableSet } from "../../columnar/table_set.ts";
import { FieldMap } from "./fields.ts";

/** A table as JSON records reach it: the spellings of its fields, as they are and, for FABRIC, in lower case. */
export class JsonTable {
  readonly builder: TableBuilder;
  readonly exact: FieldMap;
  readonly lower: FieldMap;
  #generation: number;

  constructor(builder: TableBuilder, tables: TableSet) {
    this.builder = builder;
    this.exact = new FieldMap(tables.account);
    this.lower = new FieldMap(tables.account);
    this.#generation = builder.generation;
  }

  /** Drops what refers to columns that the builder has forgotten, which it may do between any two rows. */
  refresh(): void {
    if (this.#generation === this.builder.generation && !this.builder.isReleased) return;
    this.#generation = this.builder.generation;
    this.exact.clear();
    this.lower.clear();
  }
}
