import { type ConfigOf, type Option, option } from "../config/option.ts";
import type { ConfigProblem } from "../runtime/errors.ts";
import { type KeyTemplate, parseKeyTemplate } from "./key_template.ts";
import { type Compression, COMPRESSION_LEVELS, COMPRESSIONS } from "./compression.ts";

const keyTemplateText = option.string("target.key-template", {
  exact: true,
  default: "{project}",
  doc:
    "The folder of an object, from {project}, {table}, {date} (2026-11-01), {hour} (00 to 23), {year}, {month} and {day}; " +
    "times are the rows' event times in UTC. For example {project}/{table}/dt={date}/hour={hour}. Characters of names " +
    "that don't suit a key are percent-encoded.",
});

const keyTemplate: Option<KeyTemplate> = {
  ...keyTemplateText,
  parse: parseKeyTemplate,
  defaultValue: parseKeyTemplate("{project}"),
};

/** How rows become objects: read by every target that stores objects. */
export const encodeOptions = {
  keyTemplate,
  rowFormat: option.enumeration("target.row-format", ["rakam", "flat"], {
    default: "rakam",
    doc:
      "rakam: _time, $schema, $table, _user, and the other columns in properties. flat: every column under its own name, " +
      "with $schema and $table only where the object's key has no {project} or no {table}.",
  }),
  compression: option.enumeration("target.compression", COMPRESSIONS, {
    default: "gzip",
    doc:
      "How objects are compressed. gzip is one member a file, which every reader understands; zstd is smaller and three " +
      "times as fast, one frame follows the other.",
  }),
  compressionLevel: option.integer("target.compression.level", {
    min: 1,
    max: 19,
    whenUnset: "5 for gzip, 3 for zstd",
    doc: "Higher is smaller and slower: 1 to 9 for gzip, 1 to 19 for zstd.",
  }),
  fileExtension: option.string("target.file-extension", {
    whenUnset: ".ndjson.gz, .ndjson.zst or .ndjson, by the compression",
    check: checkFileExtension,
    doc:
      "What the objects' names end with. The original collector's files ended with .ndjson.gzip, which few readers know.",
  }),
};

export type EncodeConfig = ConfigOf<typeof encodeOptions>;

function checkFileExtension(text: string): void {
  if (!/^(\.[A-Za-z0-9_-]{1,16}){1,4}$/.test(text)) {
    throw new RangeError("must begin with a dot, as .ndjson.gz does, and hold letters, digits, dots, _ and - only");
  }
}

/** What is wrong between options that are each right by themselves. */
export function encodeConfigProblems({ compression, compressionLevel }: EncodeConfig): ConfigProblem[] {
  const { max } = COMPRESSION_LEVELS[compression];
  if (compressionLevel === undefined || compression === "none" || compressionLevel <= max) return [];
  return [{ key: encodeOptions.compressionLevel.key, message: `must be at most ${max} for ${compression}` }];
}

/** The level to compress with. */
export function compressionLevelOf(
  { compression, compressionLevel }: Pick<EncodeConfig, "compression" | "compressionLevel">,
): number {
  const { default: level } = COMPRESSION_LEVELS[compression];
  return compression === "none" ? level : compressionLevel ?? level;
}

const EXTENSIONS: Readonly<Record<Compression, string>> = { gzip: ".ndjson.gz", zstd: ".ndjson.zst", none: ".ndjson" };
const CONTENT_TYPES: Readonly<Record<Compression, string>> = {
  gzip: "application/gzip",
  zstd: "application/zstd",
  none: "application/x-ndjson",
};

/** What object names end with. */
export function fileExtensionOf(
  { compression, fileExtension }: Pick<EncodeConfig, "compression" | "fileExtension">,
): string {
  return fileExtension ?? EXTENSIONS[compression];
}

/**
 * The media type of an object's bytes as they are stored: RFC 6713, RFC 8878, and for plain rows the common one for NDJSON.
 * Objects have no Content-Encoding: a client would undo it on the way, and the file would not be what its name says.
 * Where a Content-Encoding is configured, the type is that of the plain rows, `contentTypeOf("none")`.
 */
export function contentTypeOf(compression: Compression): string {
  return CONTENT_TYPES[compression];
}
