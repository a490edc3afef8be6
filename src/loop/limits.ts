/** Config and machine -> the loop's numbers. */
import type { CollectorLimits } from "./collector.ts";
import type { Selected } from "../config/section.ts";
import { formatByteSize } from "../config/units.ts";
import type { ObjectsConfig, PipelineConfig, ProcessConfig } from "../pipeline/options.ts";
import { ConfigError } from "../runtime/errors.ts";
import type { SourceComponent } from "../source/source.ts";
import type { Machine } from "../runtime/machine.ts";

export interface LimitsConfig {
  readonly source?: Selected<Pick<SourceComponent<object>, "parts">>;
  readonly pipeline: PipelineConfig;
  readonly objects: ObjectsConfig;
  readonly process: ProcessConfig;
}

/** What is assumed where the system doesn't tell how much memory there is. */
export const ASSUMED_MEMORY_BYTES = 2 ** 30;
/** What memory.heap-ratio is when it isn't set. */
const DEFAULT_RATIO = 0.6;
/** Buffers fill no more than this by default where the memory isn't for this process alone. */
const SHARED_MACHINE_BYTES = 2 * 2 ** 30;
/** Buffers get at least this, or half of what there is, whatever memory.heap-ratio says. */
export const LEAST_BUFFER_BYTES = 32 * 2 ** 20;
/** Below this nothing works well: files become too small, and a single batch of records fills it. */
export const MINIMUM_BUFFER_BYTES = 8 * 2 ** 20;
/** A worker thread's own memory before it has anything to do. Measured: 15 MB, and 10 MB more once its code is warm. */
export const WORKER_BYTES = 25 * 2 ** 20;

/** The threads that a config asks for. */
export function threadsOf({ workers, committerThreadCount }: PipelineConfig, { cores }: Pick<Machine, "cores">) {
  return {
    /** 0: all work is done in the main isolate. */
    workers: workers === "auto" ? cores : workers,
    writesInFlight: committerThreadCount === "auto" ? cores : committerThreadCount,
  };
}

/** All worker threads: each part of the source but the main one has one more. */
export function workersOf({ source, pipeline }: Omit<LimitsConfig, "objects" | "process">, machine: Machine): number {
  const { workers } = threadsOf(pipeline, machine);
  return workers === 0 ? 0 : workers + (source?.component.parts?.(source.config)?.length ?? 1) - 1;
}

/**
 * The numbers that the loop works with.
 *
 * @throws ConfigError when the config wants more memory than there is.
 */
export function limitsOf({ source, pipeline, objects, process }: LimitsConfig, machine: Machine): CollectorLimits {
  const memoryByteLength = bufferByteLength(pipeline, workersOf({ source, pipeline }, machine), machine);
  return {
    streamMaxAgeMs: pipeline.streamMaxFlushDurationMs,
    streamMaxByteLength: Math.max(1, Math.floor(pipeline.streamMemoryMaxFlushRatio * memoryByteLength)),
    unitMaxAgeMs: pipeline.middlewareMaxFlushDurationMs,
    unitMaxRecords: pipeline.middlewareMaxFlushRecords ?? Infinity,
    unitMaxRecordByteLength: pipeline.middlewareMaxFlushByteLength ?? Infinity,
    objectMaxByteLength: objects.maxObjectByteLength,
    memoryByteLength,
    shutdownTimeoutMs: process.shutdownTimeoutMs,
    ...(pipeline.maxRejectedShare !== undefined && { maxRejectedShare: pipeline.maxRejectedShare }),
  };
}

/**
 * About what buffers may fill, the same at each start with the same config and machine, whatever the process itself takes by
 * then: for what must not change between two runs.
 */
export function steadyBufferByteLength({ pipeline }: Pick<LimitsConfig, "pipeline">, machine: Machine): number {
  const total = machine.memoryByteLength ?? ASSUMED_MEMORY_BYTES;
  const { ratio, most } = shareOf(pipeline, machine);
  return pipeline.memoryLimitByteLength ?? Math.min(ratio * total / 2, most);
}

/** The same, for a target that doesn't wait longer than this. */
export function withMaxAge(limits: CollectorLimits, maxAgeMs: number): CollectorLimits {
  return {
    ...limits,
    streamMaxAgeMs: Math.min(limits.streamMaxAgeMs, maxAgeMs),
    unitMaxAgeMs: Math.min(limits.unitMaxAgeMs, maxAgeMs),
  };
}

/** Who says what share he wants has it. */
function shareOf({ memoryHeapRatio }: PipelineConfig, { framed = false }: Machine): { ratio: number; most: number } {
  const unset = memoryHeapRatio === undefined;
  return { ratio: memoryHeapRatio ?? DEFAULT_RATIO, most: unset && !framed ? SHARED_MACHINE_BYTES : Infinity };
}

/** What buffers may fill: `memory.limit`, or the share of `memory.heap-ratio` that the process itself leaves. */
function bufferByteLength(pipeline: PipelineConfig, workers: number, machine: Machine): number {
  const total = machine.memoryByteLength ?? ASSUMED_MEMORY_BYTES;
  const own = machine.usedByteLength() + workers * WORKER_BYTES;
  const { memoryLimitByteLength: wanted } = pipeline;
  const { ratio, most } = shareOf(pipeline, machine);
  if (wanted !== undefined) {
    if (wanted <= total) return wanted;
    const message = `${formatByteSize(wanted)} is more than the ${mebibytes(total)} that this process may use`;
    throw new ConfigError([{ key: "memory.limit", message }]);
  }
  const least = Math.min(LEAST_BUFFER_BYTES, (total - own) / 2);
  const buffer = Math.floor(Math.min(most, Math.max(ratio * total - own, least)));
  if (buffer >= MINIMUM_BUFFER_BYTES) return buffer;
  const needed = own + 2 * MINIMUM_BUFFER_BYTES;
  const message = `this process may use ${mebibytes(total)} and needs ${mebibytes(own)} for itself, which leaves too ` +
    `little for buffers: allow it at least ${mebibytes(needed)}, or set pipeline.workers=0`;
  throw new ConfigError([{ key: "memory.heap-ratio", message }]);
}

function mebibytes(byteLength: number): string {
  return `${Math.ceil(byteLength / 2 ** 20)}MB`;
}
