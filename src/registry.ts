/**
 * Everything that a config can name. A source or target becomes usable by its line here: from its option specs come its
 * config, validation, docs and example; the contract tests run over these two tables.
 */

import type { ExampleValues } from "./config/docs.ts";
import type { CollectorConfig } from "./config/resolve.ts";
import type { AnySections, Registry } from "./config/section.ts";
import { decodeOptions } from "./decode/options.ts";
import { encodeConfigProblems, encodeOptions } from "./encode/options.ts";
import { objectsSection, pipelineSection, processSection } from "./pipeline/options.ts";
import { replaySection } from "./replay/options.ts";
import { demoSource } from "./source/demo.ts";
import { fileSource } from "./source/file.ts";
import { kafkaSource } from "./source/kafka.ts";
import { kinesisSource } from "./source/kinesis.ts";
import { schemaSection } from "./schema/options.ts";
import type { SourceComponent } from "./source/source.ts";
import { consoleTarget } from "./target/console.ts";
import { fileTarget } from "./target/file.ts";
import { s3Target } from "./target/s3.ts";
import type { TargetComponent } from "./target/target.ts";

/** By their names in `stream.source`. */
export const SOURCES = {
  file: fileSource,
  demo: demoSource,
  kafka: kafkaSource,
  kinesis: kinesisSource,
} satisfies Record<string, SourceComponent<object>>;

/** By their names in `target`. */
export const TARGETS = {
  file: fileTarget,
  s3: s3Target,
  console: consoleTarget,
} satisfies Record<string, TargetComponent<object>>;

/** The parts that are always there. */
export const SECTIONS = {
  decode: {
    title: "Records and rows",
    doc: "How the bytes of a record become a row of a table, and what becomes of records that can't be read.",
    options: decodeOptions,
  },
  schemas: schemaSection,
  encode: {
    title: "Rows in objects",
    doc: "How rows become files and S3 objects. Of no effect with targets that take rows as pages.",
    options: encodeOptions,
    validate: encodeConfigProblems,
  },
  objects: objectsSection,
  pipeline: pipelineSection,
  process: processSection,
  replay: replaySection,
} satisfies AnySections;

/** What config.example.properties sets: it runs as it is. */
export const EXAMPLE_VALUES: ExampleValues = {
  "stream.source": "file",
  "target": "file",
  "file.path": "sample:",
  "target.file.directory": "./out",
};

export const REGISTRY: Registry<typeof SECTIONS, SourceComponent<object>, TargetComponent<object>> = {
  sections: SECTIONS,
  sources: SOURCES,
  targets: TARGETS,
};

/** The whole config, typed. */
export type Config = CollectorConfig<typeof SECTIONS, SourceComponent<object>, TargetComponent<object>>;
