import { option } from "../../config/option.ts";

/** Where the project of Avro records comes from. */
const PROJECT_FROM = ["AUTO", "CONFIG", "NAMESPACE", "TOPIC", "KEY"] as const;
/** Where their collection comes from. */
const COLLECTION_FROM = ["AUTO", "CONFIG", "NAME", "TOPIC", "KEY"] as const;

/** Where a part of the table's name comes from: a word, or a field of the record. */
export type NameOrigin =
  | (typeof PROJECT_FROM)[number]
  | (typeof COLLECTION_FROM)[number]
  | { readonly path: readonly string[] };

const FIELD = /^field:(.+)$/i;

function checkOrigin(words: readonly string[]): (text: string) => void {
  return (text) => {
    if (FIELD.test(text) || words.includes(text.toUpperCase())) return;
    throw new RangeError(`must be one of ${words.join(", ")} or field:<name>`);
  };
}

/** The meaning of `source.avro.project` and `source.avro.collection`. */
export function nameOrigin(text: string): NameOrigin {
  const path = FIELD.exec(text)?.[1];
  return path === undefined ? text.toUpperCase() as NameOrigin & string : { path: path.split(".") };
}

/** How Avro records become rows: what the pipeline workers need to know. */
export const avroDecodeOptions = {
  avroEncoding: option.enumeration("source.avro.encoding", [
    "AUTO",
    "CONFLUENT",
    "SINGLE_OBJECT",
    "BARE",
    "RAKAM",
    "CONTAINER",
  ], {
    default: "AUTO",
    doc:
      "How Avro records say which schema they were written with. CONFLUENT: a zero byte and the schema's id in the " +
      "registry (4 bytes). SINGLE_OBJECT: C3 01 and the schema's fingerprint (8 bytes). BARE: not at all, see " +
      "source.avro.schema. RAKAM: a type tag, 0 (a datum follows), 2 (the collection, then a datum) or, with " +
      "Kinesis, 3 (the key of a file in aws.s3-bulk-bucket), with BARE's schemas. CONTAINER: a whole object container file. AUTO finds out, for each record, whether it is CONFLUENT (with a " +
      "registry), SINGLE_OBJECT or CONTAINER; the others can't be told apart safely. Object container files of the file " +
      "source are always read as such.",
  }),
  avroProject: option.string("source.avro.project", {
    default: "AUTO",
    check: checkOrigin(PROJECT_FROM),
    doc:
      "The project of Avro records: CONFIG (source.project), NAMESPACE (the schema's), TOPIC (what comes before the first " +
      "dot of the topic's, stream's or file's name), KEY (what comes before the | of the record's key or partition key) or " +
      "field:<name> (dots lead into nested records). AUTO: as the original had it with RAKAM (KEY for Kinesis, else TOPIC), " +
      "otherwise CONFIG.",
  }),
  avroCollection: option.string("source.avro.collection", {
    default: "AUTO",
    check: checkOrigin(COLLECTION_FROM),
    doc:
      "The collection of Avro records: CONFIG (source.collection, or the name of the topic, stream or file), NAME (the " +
      "schema's name without its namespace), TOPIC (what comes after the first dot of the topic's, stream's or file's name), " +
      "KEY (what comes after the | of the record's key or partition key) or field:<name>. AUTO: as the original had it with " +
      "RAKAM (the tag's own, KEY for Kinesis, else TOPIC), otherwise CONFIG.",
  }),
  avroTimeField: option.string("source.avro.time-field", {
    whenUnset: "the field that database.time-field-name names",
    doc:
      "The event time of Avro records where it is inside of nested records: field names joined by dots (header.sent_at).",
  }),
  avroUserField: option.string("source.avro.user-field", {
    whenUnset: "the field that database.user-field-name names",
    doc:
      "The user of Avro records where it is inside of nested records: field names joined by dots. It becomes the column " +
      "that database.user-field-name names.",
  }),
};
