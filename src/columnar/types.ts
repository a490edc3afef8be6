/** The types of a column's elements, as in Presto. */
export type ScalarType = "BOOLEAN" | "INTEGER" | "BIGINT" | "DOUBLE" | "VARCHAR" | "DATE" | "TIMESTAMP";

/** ARRAY and MAP of scalars; keys of a MAP are strings. JSON: the value's own text, for what has no narrower type. */
export type ColumnType = ScalarType | `ARRAY(${ScalarType})` | `MAP(${ScalarType})` | "JSON";

/** A table: the project is the schema, the collection the table in it. */
export interface TableName {
  readonly project: string;
  readonly collection: string;
}

/** One column of a page. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/**
 * How the values of a TIMESTAMP column were written, which is how they are written again. A column has one form; a value
 * in another widens it to VARCHAR or JSON. EPOCH_MS: a number. ISO_*: UTC, "2026-11-01T00:00:00Z" with 0, 3 or 6 digits
 * of a second.
 */
export type TimestampForm = "EPOCH_MS" | "ISO_S" | "ISO_MS" | "ISO_US";
