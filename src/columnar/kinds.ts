import type { ColumnType, ScalarType } from "./types.ts";

/** What a column holds, as small numbers, since the decoder branches on them once a value. */
export const UNTYPED = 0;
export const VARCHAR = 1;
export const INTEGER = 2;
export const BIGINT = 3;
export const DOUBLE = 4;
export const BOOLEAN = 5;
export const TIMESTAMP = 6;
export const DATE = 7;
export const JSON_TEXT = 8;
export const ARRAY = 9;
export const MAP = 10;

export type Kind =
  | typeof UNTYPED
  | typeof VARCHAR
  | typeof INTEGER
  | typeof BIGINT
  | typeof DOUBLE
  | typeof BOOLEAN
  | typeof TIMESTAMP
  | typeof DATE
  | typeof JSON_TEXT
  | typeof ARRAY
  | typeof MAP;

/** Names of the kinds that have no type parameter, by kind. */
const NAMES: readonly string[] = [
  "VARCHAR", // UNTYPED: elements of which only nulls were seen
  "VARCHAR",
  "INTEGER",
  "BIGINT",
  "DOUBLE",
  "BOOLEAN",
  "TIMESTAMP",
  "DATE",
  "JSON",
];

/** The type's name of a scalar kind. */
export function scalarTypeOf(kind: Kind): ScalarType {
  return NAMES[kind] as ScalarType;
}

/** The type's name of a column; `element` is the kind of an ARRAY's elements or a MAP's values. */
export function columnTypeOf(kind: Kind, element: Kind): ColumnType {
  if (kind === ARRAY) return `ARRAY(${scalarTypeOf(element)})`;
  if (kind === MAP) return `MAP(${scalarTypeOf(element)})`;
  return NAMES[kind] as ColumnType;
}
