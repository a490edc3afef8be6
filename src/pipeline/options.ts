/** The options of the parts that are always there: buffers and threads, objects, the process itself. */

import { type ConfigOf, option } from "../config/option.ts";
import type { Section } from "../config/section.ts";

const pipelineOptions = {
  streamMaxFlushDurationMs: option.duration("stream.max-flush-duration", {
    default: "15s",
    min: 1,
    doc: "Records wait at most this long as a page that is being built (the stream buffer); then the page is sealed, " +
      "encoded and compressed.",
  }),
  streamMemoryMaxFlushRatio: option.number("stream.memory-max-flush-ratio", {
    default: "0.1",
    min: 0.001,
    max: 1,
    doc: "Pages are also sealed when together they hold this share of the usable memory.",
  }),
  middlewareMaxFlushDurationMs: option.duration("middleware.max-flush-duration", {
    default: "60s",
    min: 1,
    doc: "Sealed pages wait at most this long (the middleware buffer); then they are written to the target and the " +
      "source's positions are committed. Longer makes fewer and larger files, and more to read again after a crash.",
  }),
  middlewareMaxFlushRecords: option.integer("middleware.max-flush-records", {
    min: 1,
    whenUnset: "no limit",
    doc: "The target is also written to after this many records.",
  }),
  middlewareMaxFlushByteLength: option.size("middleware.max-flush-size", {
    min: 1,
    whenUnset: "no limit",
    doc: "The target is also written to after this many bytes of records, as the source delivered them.",
  }),
  memoryHeapRatio: option.number("memory.heap-ratio", {
    whenUnset:
      "0.6, but buffers fill 2GB at most where no container or service manager limits the process: others live there too",
    min: 0.01,
    max: 1,
    doc: "Share of the memory that this process may use (the machine's, or less where a container limits it) that " +
      "buffers may fill. Close to it the collector writes to the target early; at it the source waits.",
  }),
  memoryLimitByteLength: option.size("memory.limit", {
    min: 8 * 2 ** 20,
    whenUnset: "found out, see memory.heap-ratio",
    doc: "What buffers may fill, in bytes. Takes the place of memory.heap-ratio.",
  }),
  committerThreadCount: option.integerOrAuto("committer.thread.count", {
    default: "auto",
    min: 1,
    max: 1024,
    doc: "Writes to the target that may be under way at a time. auto: one for each core.",
  }),
  workers: option.integerOrAuto("pipeline.workers", {
    default: "auto",
    max: 256,
    doc: "Threads that decode, encode and compress. auto: one for each core. 0: none, all work is done in one thread.",
  }),
  maxRejectedShare: option.number("dead-letter.max-share", {
    whenUnset: "any",
    max: 1,
    doc:
      "The process ends with an error when more than this share of the latest records (1,000 or a few more) can't be " +
      "decoded: 0.5 for half of them. Without it, an error in the log says so.",
  }),
} as const;

/** Buffers, memory and threads. Durations in ms, sizes in bytes. */
export type PipelineConfig = ConfigOf<typeof pipelineOptions>;

export const pipelineSection: Section<PipelineConfig> = {
  title: "Buffers, memory and threads",
  doc: "When rows are written to the target, and what the process may use. Whatever comes first counts.",
  options: pipelineOptions,
};

const objectOptions = {
  maxObjectByteLength: option.size("target.aws.s3-max-data-size", {
    default: "256MB",
    min: 1,
    doc:
      "An object is closed, and everything buffered is written, when it has this many compressed bytes. Counts for " +
      "files too, whatever its name says.",
  }),
  manifest: option.boolean("target.manifest", {
    default: "true",
    doc: "Write a manifest below _manifests/ with every flush, before positions are committed: which positions it " +
      "covers, and its objects with rows, bytes, checksums and event times.",
  }),
  deadLetterDirectory: option.string("dead-letter.directory", {
    exact: true,
    whenUnset: "_dead-letters/ in the target",
    doc: "A local directory for records that can't be decoded, in place of the target.",
  }),
} as const;

/** When objects (files, S3 objects) are closed, and what is written beside them. */
export type ObjectsConfig = ConfigOf<typeof objectOptions>;

export const objectsSection: Section<ObjectsConfig> = {
  title: "Flushes to objects",
  doc: "When files and S3 objects are closed, and what is written beside them.",
  options: objectOptions,
};

const processOptions = {
  shutdownTimeoutMs: option.duration("shutdown.timeout", {
    default: "60s",
    min: 1000,
    max: 3_600_000,
    doc:
      "After SIGTERM, SIGINT or SIGHUP, what is in memory is written and committed within this time; what isn't done then is " +
      "given up, uncommitted, and read again by the next run. A second signal, a second later or more, ends the process at once.",
  }),
  logLevel: option.enumeration("log.level", ["debug", "info", "warn", "error"], {
    default: "info",
    doc: "The least important log lines to print.",
  }),
  logFormat: option.enumeration("log.format", ["auto", "pretty", "json"], {
    default: "auto",
    doc: "pretty is for people, json for machines; auto is pretty on a terminal and json elsewhere. Logs go to " +
      "standard error.",
  }),
  statusIntervalMs: option.duration("status.interval", {
    default: "5s",
    max: 86_400_000,
    doc: "How often a line on a terminal says what is going on: records, rows, lag, memory, what fails. 0s: never.",
  }),
} as const;

/** Shutdown and what is said about the work. Durations in ms. */
export type ProcessConfig = ConfigOf<typeof processOptions>;

export const processSection: Section<ProcessConfig> = {
  title: "Process",
  doc: "How the process ends, and what it says meanwhile.",
  options: processOptions,
};
