import { type ConfigOf, option } from "../config/option.ts";
import { avroDecodeOptions } from "./avro/options.ts";
import { TIME_UNITS } from "./times.ts";
import { nameProblem } from "../records/names.ts";

/** What `source.metadata-columns` may list. Two names each for the parent and the part, as their sources call them. */
export const METADATA_COLUMNS = [
  "topic",
  "stream",
  "partition",
  "shard",
  "position",
  "timestamp",
  "key",
  "headers",
] as const;
export type MetadataColumn = typeof METADATA_COLUMNS[number];

function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== null) throw new RangeError(`the name ${problem}`);
}

/** How records become rows. */
export const decodeOptions = {
  dataFormat: option.enumeration("source.data-format", ["AUTO", "JSON", "AVRO"], {
    default: "AUTO",
    doc: "What the records are. AUTO finds it out for each record.",
  }),
  jsonLayout: option.enumeration("source.data-format.json.layout", ["AUTO", "FABRIC", "RAKAM", "PLAIN"], {
    default: "AUTO",
    doc: 'Where JSON records have their fields. RAKAM: {"project":..,"collection":..,"properties":{..}}. FABRIC: ' +
      '{"data":{"_project":..,"_collection":..,..}}, field names in lower case. PLAIN: any object, which goes to ' +
      "source.project and source.collection. AUTO finds it out for each record; a set layout is strict, and records of " +
      "another one become dead letters.",
  }),
  ...avroDecodeOptions,
  project: option.string("source.project", {
    exact: true,
    default: "default",
    check: checkName,
    doc: "The project of PLAIN records. In lower case, as all projects are.",
  }),
  collection: option.string("source.collection", {
    exact: true,
    check: checkName,
    whenUnset: "the name of the topic, the stream or the file without its extensions",
    doc: "The collection of PLAIN records.",
  }),
  maxRecordByteLength: option.size("source.max-record-size", {
    default: "10MB",
    min: 1,
    max: 512 * 1024 ** 2,
    doc: "A record with more bytes becomes a dead letter (see dead-letter.max-record-size).",
  }),
  metadataColumns: option.listOf("source.metadata-columns", METADATA_COLUMNS, {
    whenUnset: "none",
    doc:
      "What is known of a record besides its contents, as columns of their own: _topic (or _stream), _partition (or " +
      "_shard), _position, _timestamp, _key (as base64 when it isn't UTF-8) and _headers (as JSON). By partition and " +
      "position readers can tell duplicates. A record's own field of such a name is kept instead.",
  }),
  arrivalField: option.string("database.checkpoint-field", {
    default: "_shard_time",
    doc:
      "The column with the time at which the source received the record; the word none for no such column. A FABRIC " +
      "record's own field of this name is dropped, another record's own is kept instead of the arrival time.",
  }),
  timeField: option.string("database.time-field-name", {
    default: "_time",
    doc: "The field with the event time: a number (see database.time-unit) or an ISO 8601 string, UTC unless it says " +
      "otherwise.",
  }),
  timeUnit: option.enumeration("database.time-unit", TIME_UNITS, {
    default: "ms",
    doc:
      "What numbers in the field with the event time count since 1970: ms, s, us (microseconds) or ns; the column keeps " +
      "them as they are. auto: by their size, seconds below 10^11, then ms, us from 10^14 on, ns from 10^17 on.",
  }),
  userField: option.string("database.user-field-name", {
    default: "_user",
    doc: "The field with the user.",
  }),
  userType: option.enumeration("database.user-field-type", ["STRING", "LONG", "INTEGER", "DOUBLE"], {
    default: "STRING",
    doc:
      "The user's type. STRING turns numbers into their text, the others turn numeric strings into numbers; a value " +
      "that doesn't fit stays as it is.",
  }),
  allowedCollections: option.list("database.whitelisted.collections", {
    whenUnset: "all",
    doc: "Only records of these collections are kept; others are dropped and counted.",
  }),
  maxColumns: option.integer("columns.max-count", {
    default: "2000",
    min: 1,
    max: 100_000,
    doc:
      "Most columns of a page of a table. With more the next page begins; a record that has more by itself becomes a dead " +
      "letter.",
  }),
  maxTables: option.integer("tables.max-count", {
    default: "100000",
    min: 1,
    max: 1_000_000,
    doc: "With rows of this many tables in a worker's memory, pages of all of them are sealed.",
  }),
  deadLetterPolicy: option.enumeration("dead-letter.policy", ["store", "fail", "drop"], {
    default: "store",
    doc:
      "What becomes of a record that can't be decoded. store: it is kept with its position, the reason and its bytes, " +
      "beside the data. fail: the process ends with an error, and nothing from that record on is committed. drop: it is " +
      "counted and left out.",
  }),
  maxLetterByteLength: option.size("dead-letter.max-record-size", {
    default: "20MB",
    min: 1,
    max: 512 * 1024 ** 2,
    doc:
      "A record with more than source.max-record-size is kept whole in its dead letter up to this many bytes; of a " +
      "larger one, only its beginning is kept: it is marked as cut, and no redrive tries it.",
  }),
};

/** The typed values of `decodeOptions`. */
export type DecodeConfig = ConfigOf<typeof decodeOptions>;

/** Bytes of a record's value that a source must keep: what becomes a row, and what becomes a dead letter. */
export function keptByteLengthOf({ maxRecordByteLength, maxLetterByteLength, deadLetterPolicy }: DecodeConfig): number {
  return deadLetterPolicy === "store" ? Math.max(maxRecordByteLength, maxLetterByteLength) : maxRecordByteLength;
}
