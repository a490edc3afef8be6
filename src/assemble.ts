/** Typed config -> the parts of the collector, wired together. Nothing is opened or started here. */
import { resolve } from "node:path";
import { Collector, type CollectorLimits } from "./loop/collector.ts";
import { compressionLevelOf, fileExtensionOf } from "./encode/options.ts";
import { keptByteLengthOf } from "./decode/options.ts";
import { limitsOf, threadsOf, withMaxAge, workersOf } from "./loop/limits.ts";
import { limitsOfPart, type Loop, together } from "./loop/loops.ts";
import { InlinePort } from "./pipeline/inline_port.ts";
import type { WorkerConfig } from "./pipeline/pipeline_worker.ts";
import type { WorkerPort } from "./pipeline/port.ts";
import { WebWorkerPort } from "./pipeline/web_worker_port.ts";
import type { Config } from "./registry.ts";
import { DeadLetterStore } from "./replay/dead_letter_store.ts";
import { FatalError } from "./runtime/errors.ts";
import { withFields } from "./runtime/log.ts";
import type { Machine } from "./runtime/machine.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { SchemaFeed } from "./schema/schema_feed.ts";
import { SchemaStore } from "./schema/schema_store.ts";
import type { Source, SourceContext, SourcePart, TargetFacts } from "./source/source.ts";
import { commonTarget } from "./target/common_target.ts";
import { DeadLetterWriter } from "./target/dead_letter_writer.ts";
import { LazyTarget, sharedTarget } from "./target/deferred_target.ts";
import { fileTarget } from "./target/file.ts";
import type { Manifest } from "./target/manifest.ts";
import { prefixedTarget } from "./target/prefixed_target.ts";
import { ObjectSink } from "./target/object_sink.ts";
import { ObjectUnitWriter } from "./target/object_unit_writer.ts";
import { PageUnitWriter } from "./target/page_unit_writer.ts";
import {
  isReadable,
  type ObjectTarget,
  type OutputStream,
  type ReadableObjectTarget,
  type Target,
} from "./target/target.ts";
import type { UnitWriter } from "./target/unit_writer.ts";

/** Below the target's root; readers skip names that begin with "_". */
const DEAD_LETTER_PREFIX = "_dead-letters/";
/** Where targets that take no objects keep dead letters. */
const DEAD_LETTER_DIRECTORY = "./dead-letters";

/** What the process lends to the parts. */
export interface Surroundings {
  readonly runtime: Runtime;
  readonly machine: Machine;
  readonly stdout: OutputStream;
}

export interface Assembled {
  readonly collector: Loop;
  /** For the log and the summary. */
  readonly facts: {
    /** 0: all work is done in the main isolate. */
    readonly workers: number;
    /** Buffers may fill this many bytes. */
    readonly memoryByteLength: number;
    /** For people. */
    readonly deadLettersAt: string;
    /** Whether no position is moved: the next run reads the same again. */
    readonly trial: boolean;
  };
}

/** What the source is told. */
export function sourceContextOf(config: Config, runtime: Runtime): SourceContext {
  const { decode } = config;
  const wanted = new Set<string>(decode.metadataColumns);
  return {
    runtime,
    wants: { keys: wanted.has("key") || needsKeys(decode), headers: wanted.has("headers") },
    maxRecordByteLength: keptByteLengthOf(decode),
    target: targetFactsOf(config, runtime),
  };
}

/** Where rows go, for people, and whether they only pass by there. */
export function placeOf({ target: { component, config, name } }: Config): { name: string; trial: boolean } {
  const place = component.place?.(config);
  return { name: place === undefined ? name : `${name} ${place.name}`, trial: place?.trial ?? false };
}

function targetFactsOf(config: Config, runtime: Runtime): TargetFacts {
  const { component, config: own } = config.target;
  const place = component.place?.(own);
  const { name, trial } = placeOf(config);
  const deadLetters = deadLetterDirectoryOf(config, component.create(own, { runtime }).kind);
  const written = [place?.directory, deadLetters, config.replay.directory];
  return {
    place: name,
    directories: written.filter((directory) => directory != null).map((directory) => resolve(directory)),
    trial,
  };
}

/** Whether Avro records are told apart by their keys. */
function needsKeys({ dataFormat, avroEncoding, avroProject, avroCollection }: Config["decode"]): boolean {
  const origins = [avroProject.toUpperCase(), avroCollection.toUpperCase()];
  if (dataFormat === "JSON") return false;
  return origins.includes("KEY") || (avroEncoding === "RAKAM" && origins.includes("AUTO"));
}

/** Undefined when no record can need a schema. */
function schemaFeedOf({ decode, schemas, source }: Config, runtime: Runtime): SchemaFeed | undefined {
  if (decode.dataFormat === "JSON") return undefined;
  const files = decode.avroEncoding === "RAKAM" ? source.component.files?.(source.config, runtime) : null;
  return new SchemaStore(schemas, { decode, runtime, files });
}

/** The config's source, or a part of it. In a trial its positions stay where they are, and nothing is sent elsewhere. */
function createSource(
  config: Config,
  create: (context: SourceContext) => Source,
  runtime: Runtime,
): Source {
  const context = sourceContextOf(config, runtime);
  const source = create(context);
  if (!context.target?.trial) return source;
  source.commit = () => Promise.resolve();
  if (source.divert !== undefined) source.divert = () => Promise.resolve();
  return source;
}

/** The directory that dead letters go to; null when they go to the target. */
export function deadLetterDirectoryOf({ objects }: Pick<Config, "objects">, kind: Target["kind"]): string | null {
  return objects.deadLetterDirectory ?? (kind === "objects" ? null : DEAD_LETTER_DIRECTORY);
}

/** What takes the place of the config's own. */
export interface Substitutes {
  readonly source?: Source;
  readonly target?: Target;
  /** See ObjectUnitWriterOptions; targets that take pages don't tell. */
  unitWritten?(manifest: Manifest): Promise<void>;
}

/**
 * The dead letters of the config's target, or of the directory that they go to.
 *
 * @throws FatalError when nothing can be read back there.
 */
export function deadLetterStoreOf(
  config: Config,
  { runtime, prefix }: Pick<Surroundings, "runtime"> & { readonly prefix: string },
): DeadLetterStore {
  const target = config.target.component.create(config.target.config, { runtime });
  const directory = deadLetterDirectoryOf(config, target.kind);
  if (directory !== null) { // letters of all prefixes are in it
    const local = fileTarget.create({ directory }, { runtime }) as ReadableObjectTarget;
    return new DeadLetterStore(local, { prefix: "", runtime });
  }
  if (isReadable(target)) {
    const home = prefix === "" ? target : prefixedTarget(target, prefix);
    return new DeadLetterStore(home, { prefix: DEAD_LETTER_PREFIX, runtime });
  }
  throw new FatalError(`objects of target=${config.target.name} can't be read back`);
}

/**
 * Builds everything that the config names.
 *
 * @throws ConfigError when the machine can't do what the config asks for.
 */
export function assemble(
  config: Config,
  { runtime, machine, stdout }: Surroundings,
  substitutes: Substitutes = {},
): Assembled {
  const threads = threadsOf(config.pipeline, machine);
  const { component } = config.source;
  const parts = substitutes.source === undefined ? component.parts?.(config.source.config) ?? null : null;
  const target = substitutes.target ?? config.target.component.create(config.target.config, { runtime, stdout });
  const maxAgeMs = target.kind === "pages" ? target.maxAgeMs : undefined;
  const limits = withMaxAge(limitsOf(config, machine), maxAgeMs ?? Infinity);
  const directory = deadLetterDirectoryOf(config, target.kind);
  const collector = parts === null
    ? createLoop(config, {
      ...{ limits, threads, runtime, target, written: substitutes.unitWritten },
      source: substitutes.source ??
        createSource(config, (context) => component.create(config.source.config, context), runtime),
    })
    : createLoops(config, parts, { limits, threads, runtime, target });
  return {
    collector,
    facts: {
      workers: workersOf(config, machine),
      memoryByteLength: limits.memoryByteLength,
      trial: substitutes.source === undefined && (config.target.component.place?.(config.target.config).trial ?? false),
      deadLettersAt: directory ?? `${DEAD_LETTER_PREFIX} of the ${config.target.name} target`,
    },
  };
}

/** All workers' builders may hold this part of the memory; mostly they are sealed long before. */
const BUILDERS_SHARE = 8;

interface LoopParts {
  readonly source: Source;
  readonly target: Target;
  readonly limits: CollectorLimits;
  readonly threads: { readonly workers: number; readonly writesInFlight: number };
  readonly runtime: Runtime;
  readonly written?: Substitutes["unitWritten"];
}

function createLoop(config: Config, { source, target, limits, threads, runtime, written }: LoopParts): Collector {
  const { workers, writesInFlight } = threads;
  const placesByTime = target.kind === "objects" && config.encode.keyTemplate.timeUnit !== null;
  const writer = createWriter(config, target, { runtime, writesInFlight, written });
  const maxByteLength = limits.memoryByteLength / Math.max(1, workers) / BUILDERS_SHARE;
  const workerConfig = workerConfigOf(config, target.kind, { source, maxByteLength });
  const ports = createPorts(workerConfig, { workers, runtime });
  return new Collector({
    source,
    writer,
    ports,
    limits,
    runtime,
    schemas: schemaFeedOf(config, runtime),
    placesByTime,
  });
}

/** The main part's loop has the threads; each of the others has one, which does what there is to do in its own time. */
function createLoops(config: Config, parts: readonly SourcePart[], whole: Omit<LoopParts, "source">): Loop {
  const target = commonTarget(whole.target, parts.length);
  return together(parts.map((part, i) => {
    const { log, metrics } = whole.runtime, { workers } = whole.threads;
    const labels = { part: part.name };
    const runtime = { ...whole.runtime, log: withFields(log, labels), metrics: metrics.withGaugeLabels(labels) };
    return createLoop(config, {
      ...{ target, runtime, limits: limitsOfPart(whole.limits, part, parts.length) },
      threads: i === 0 ? whole.threads : { workers: Math.min(1, workers), writesInFlight: 1 },
      source: createSource(config, (context) => part.create(context), runtime),
    });
  }));
}

function workerConfigOf(
  { decode, encode }: Config,
  kind: Target["kind"],
  { source: { diversion, cutsUnits }, maxByteLength }: { source: Source; maxByteLength: number },
): WorkerConfig {
  const { needsProject, needsTable, timeUnit } = encode.keyTemplate;
  return {
    decode,
    ...(diversion && { diversion }),
    buffer: { maxByteLength, inBlocks: cutsUnits ?? false },
    encode: {
      rowFormat: encode.rowFormat,
      compression: encode.compression,
      level: compressionLevelOf(encode),
      // Not the template itself: it has a function, which no message to a worker may hold.
      grouping: kind === "objects" ? { needsProject, needsTable, timeUnit } : null,
    },
  };
}

function createPorts(config: WorkerConfig, { workers, runtime }: { workers: number; runtime: Runtime }): WorkerPort[] {
  if (workers === 0) return [new InlinePort(config, runtime.clock)];
  return Array.from({ length: workers }, (_, i) => new WebWorkerPort(config, `pipeline-${i + 1}`));
}

interface Writes {
  readonly runtime: Runtime;
  readonly writesInFlight: number;
}

function createWriter(
  config: Config,
  target: Target,
  { written, ...writes }: Writes & { written: Substitutes["unitWritten"] },
): UnitWriter {
  const deadLetters = createDeadLetterWriter(config, target, writes);
  if (target.kind === "pages") return new PageUnitWriter({ target, deadLetters, ...writes });
  const { encode, objects } = config;
  return new ObjectUnitWriter({
    sink: new ObjectSink({ target, ...writes }),
    deadLetters,
    template: encode.keyTemplate,
    compression: encode.compression,
    extension: fileExtensionOf(encode),
    maxObjectByteLength: objects.maxObjectByteLength,
    manifests: objects.manifest,
    written,
    runtime: writes.runtime,
  });
}

function createDeadLetterWriter(config: Config, target: Target, writes: Writes): DeadLetterWriter {
  const directory = deadLetterDirectoryOf(config, target.kind);
  const { compression } = config.encode;
  if (directory === null) {
    const sink = new ObjectSink({ target: sharedTarget(target as ObjectTarget), ...writes });
    return new DeadLetterWriter({ sink, prefix: DEAD_LETTER_PREFIX, compression });
  }
  const local = fileTarget.create({ directory }, { runtime: writes.runtime }) as ObjectTarget;
  return new DeadLetterWriter({
    sink: new ObjectSink({ target: new LazyTarget(local), ...writes }),
    prefix: "",
    compression,
  });
}
