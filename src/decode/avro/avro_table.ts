import type { ColumnBuilder } from "../../columnar/column_builder.ts";
import type { TableBuilder } from "../../columnar/table_builder.ts";
import type { Op } from "../../avro/op.ts";

/** What else a field means besides its column; flags. */
export const ROLE_TIME = 1, ROLE_USER = 2;
/** A user whose value may have to become another type. */
export const ROLE_CONVERT = 4;

/** A table as records of one schema reach it. */
export class AvroTable {
  readonly builder: TableBuilder;
  /** A RECORD. */
  readonly op: Op;
  /** The columns of the op's steps, found when a value first needs them. */
  readonly columns: (ColumnBuilder | null)[];
  readonly roles: Uint8Array;
  #generation: number;

  constructor(builder: TableBuilder, op: Op, roles: Uint8Array) {
    this.builder = builder;
    this.op = op;
    this.columns = new Array(op.steps.length).fill(null);
    this.roles = roles;
    this.#generation = builder.generation;
  }

  /** Drops references to columns that the builder has forgotten. Called once a record. */
  refresh(): void {
    if (this.#generation === this.builder.generation) return;
    this.#generation = this.builder.generation;
    this.columns.fill(null);
  }

  /** The column of a step. */
  column(index: number): ColumnBuilder {
    const { builder } = this;
    const column = builder.column(this.op.steps[index].name);
    this.columns[index] = column;
    if ((this.roles[index] & ROLE_TIME) !== 0) builder.timeColumn ??= column;
    if ((this.roles[index] & ROLE_USER) !== 0) builder.userColumn ??= column;
    return column;
  }
}
