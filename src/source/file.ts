/** The source `file`: files, standard input and the sample events: JSON records, one a line, or Avro object container files. */
import { readPositions } from "../checkpoint/checkpoint_file.ts";
import { checkFiles } from "./file/check.ts";
import { FileRanges } from "./file/file_ranges.ts";
import { type FileInputs, FileSource } from "./file/file_source.ts";
import { type FileConfig, fileOptions } from "./file/options.ts";
import type { SourceComponent } from "./source.ts";

const INPUTS: FileInputs = {
  standardInput: Deno.stdin,
  sample: async () => (await import("./sample/sample.ts")).sampleEvents(),
};

export const fileSource: SourceComponent<FileConfig> = {
  doc:
    "Reads files (plain, gzip, zstd), standard input or the sample events: one JSON record a line, or Avro object container files. Stops at the " +
    "end or follows; goes on after a stop or a crash where it was.",
  options: fileOptions,
  finite: true,
  create: (config, context) => new FileSource(config, context, INPUTS),
  check: (config, context) => checkFiles(config, context),
  ranges: (config, context) => new FileRanges(config, context, INPUTS),
  committed: ({ checkpoint }) => readPositions(checkpoint, "file"),
};
