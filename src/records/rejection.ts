/** Why a record can't become a row: a closed set, used in dead letters, counters and documentation. */
export const REJECTION_CODES = [
  /** Not JSON: the grammar is broken, or something follows the value. */
  "malformed-json",
  /** Bytes that are not UTF-8 inside a string. */
  "invalid-utf8",
  /** JSON, but not an object. */
  "not-an-object",
  /** The layout's own fields are missing or of another type. */
  "bad-envelope",
  /** A project, collection or field name that can't be one. */
  "bad-name",
  /** More bytes than source.max-record-size. */
  "too-large",
  /** Arrays and objects nested too deeply. */
  "too-deep",
  /** The table would have more columns than columns.max-count. */
  "too-many-columns",
  /** Bytes that are not what the Avro schema says, or not framed as configured. */
  "malformed-avro",
  /** No schema is known for the Avro record: the registry or the folder doesn't have it. */
  "unknown-schema",
  /** There is an Avro schema, but it can't be used. */
  "bad-schema",
] as const;

export type RejectionCode = typeof REJECTION_CODES[number];

/**
 * Thrown by a decoder when the record at hand can't become a row. A decoder throws the same instance again and again,
 * since making an error records a stack, which costs more than decoding; read its fields before the next record.
 */
export class Rejection extends Error {
  code: RejectionCode = "malformed-json";
  /** What was expected, and at which byte of the record. Holds nothing of the record's contents. */
  reason = "";

  constructor() {
    super("the record was rejected");
    this.name = "Rejection";
  }
}
