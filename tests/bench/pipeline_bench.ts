/**
 * The whole pipeline (the loop, workers, objects; a source and a target in memory) beside gzipSync of the same output:
 *
 *     deno run -A --config tests/deno.json tests/bench/pipeline_bench.ts [--rows N] [--rounds N]
 *
 * `share` is the pipeline's speed in one isolate as a share of gzipSync's alone, at the same level, over the same output.
 * `scaling` is two pipeline workers' speed by that of one. Rounds alternate; the best of each side counts.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { Collector, type CollectorLimits } from "../../src/loop/collector.ts";
import { decodeOptions } from "../../src/decode/options.ts";
import { InlinePort } from "../../src/pipeline/inline_port.ts";
import type { WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import type { WorkerPort } from "../../src/pipeline/port.ts";
import type { SealedUnit } from "../../src/pipeline/unit.ts";
import { WebWorkerPort } from "../../src/pipeline/web_worker_port.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { assembleObject } from "../../src/encode/object.ts";
import type { UnitWriter, Written } from "../../src/target/unit_writer.ts";
import { defaultConfig } from "../support/default_config.ts";
import { type EventOptions, generateBatches } from "./events.ts";

export interface PipelineBenchResult {
  readonly size: EventOptions["size"];
  readonly level: number;
  readonly rowCount: number;
  readonly recordByteLength: number;
  readonly outputByteLength: number;
  /** Best rounds, ms. */
  readonly inlineMs: number;
  readonly oneWorkerMs: number;
  readonly twoWorkersMs: number;
  readonly gzipMs: number;
  /** Of the output's lines, sorted: the same for the same events, whatever the workers. */
  readonly hash: string;
}

const LIMITS: CollectorLimits = {
  streamMaxAgeMs: 15_000,
  streamMaxByteLength: 256 << 20,
  unitMaxAgeMs: 60_000,
  unitMaxRecords: Infinity,
  unitMaxRecordByteLength: Infinity,
  objectMaxByteLength: 256 << 20,
  memoryByteLength: 1 << 30,
  shutdownTimeoutMs: 60_000,
};

/** One split whose batches are in memory. */
class MemorySource implements Source {
  readonly #batches: RecordBatch[];

  /** Copies them: the loop hands a batch's buffers over to its worker. */
  constructor(batches: readonly RecordBatch[]) {
    this.#batches = batches.map((batch) => structuredClone(batch)).reverse();
  }

  async open(handler: SourceHandler): Promise<void> {
    const { split, epoch, start } = this.#batches.at(-1)!;
    await handler.assigned(split, epoch, start, { committed: true });
  }

  poll(): Promise<RecordBatch | "end"> {
    return Promise.resolve(this.#batches.pop() ?? "end");
  }

  pause(): void {}
  resume(): void {}
  async commit(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Assembles objects as a real writer does, and keeps them. */
class MemoryWriter implements UnitWriter {
  readonly objects: Uint8Array[] = [];

  async open(): Promise<void> {}

  write(unit: SealedUnit): Promise<Written> {
    const { chunks } = assembleObject(unit.outputs.flatMap(({ pieces }) => pieces), "gzip");
    this.objects.push(new Uint8Array(Buffer.concat(chunks)));
    return Promise.resolve({ objects: 1, rows: 0, byteLength: this.objects.at(-1)!.length });
  }

  async close(): Promise<void> {}
}

async function collect(
  batches: readonly RecordBatch[],
  ports: WorkerPort[],
): Promise<{ ms: number; objects: Uint8Array[] }> {
  const clock = new SystemClock();
  const runtime = { clock, random: new SeededRandom(1), log: silentLog, metrics: new Metrics() };
  const writer = new MemoryWriter();
  const collector = new Collector({ source: new MemorySource(batches), writer, ports, limits: LIMITS, runtime });
  const startMs = clock.monotonicMs();
  await collector.run(new AbortController().signal);
  return { ms: clock.monotonicMs() - startMs, objects: writer.objects };
}

function workerConfig(level: number): WorkerConfig {
  return {
    decode: defaultConfig(decodeOptions),
    encode: {
      rowFormat: "rakam",
      compression: "gzip",
      level,
      grouping: { needsProject: true, needsTable: false, timeUnit: null },
    },
  };
}

function unpack(objects: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(objects.map((object) => gunzipSync(object))));
}

function hashOf(output: Uint8Array): string {
  const lines = new TextDecoder().decode(output).split("\n").sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 16);
}

/** Measures one size of events at one gzip level. */
export async function benchPipeline(
  { size, level, rowCount, rounds }: { size: EventOptions["size"]; level: number; rowCount: number; rounds: number },
): Promise<PipelineBenchResult> {
  const batches = generateBatches({ size, rowCount, layout: "RAKAM", rowsPerBatch: size === "large" ? 2400 : 9000 });
  const config = workerConfig(level);
  const clock = new SystemClock();
  const best = { inlineMs: Infinity, oneWorkerMs: Infinity, twoWorkersMs: Infinity, gzipMs: Infinity };
  const keep = (name: keyof typeof best, ms: number) => best[name] = Math.min(best[name], ms);
  const workers = (count: number) => Array.from({ length: count }, (_, i) => new WebWorkerPort(config, `worker-${i}`));
  let output = new Uint8Array(0);
  const hashes = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const inline = await collect(batches, [new InlinePort(config, clock)]);
    keep("inlineMs", inline.ms);
    output = unpack(inline.objects);
    const startMs = clock.monotonicMs();
    gzipSync(output, { level });
    keep("gzipMs", clock.monotonicMs() - startMs);
    const one = await collect(batches, workers(1)), two = await collect(batches, workers(2));
    keep("oneWorkerMs", one.ms);
    keep("twoWorkersMs", two.ms);
    for (const rows of [output, unpack(one.objects), unpack(two.objects)]) hashes.add(hashOf(rows));
  }
  const [hash, ...others] = hashes;
  if (others.length > 0) throw new Error(`the rows depend on the workers: ${[...hashes]}`);
  const recordByteLength = batches.reduce((sum, batch) => sum + batch.bytes.byteLength, 0);
  return {
    size,
    level,
    rowCount,
    recordByteLength,
    outputByteLength: output.byteLength,
    ...best,
    hash,
  };
}

function format(result: PipelineBenchResult): string {
  const {
    size,
    level,
    rowCount,
    recordByteLength,
    outputByteLength,
    inlineMs,
    oneWorkerMs,
    twoWorkersMs,
    gzipMs,
    hash,
  } = result;
  const speed = (bytes: number, ms: number) => `${(bytes / 1000 / ms).toFixed(0)} MB/s`;
  return `${size}, gzip ${level}: in one isolate ${speed(recordByteLength, inlineMs)} (${
    (rowCount / inlineMs).toFixed(0)
  }k rows/s), ` +
    `gzipSync alone ${speed(outputByteLength, gzipMs)}, share ${(gzipMs / inlineMs).toFixed(2)}; one worker ` +
    `${speed(recordByteLength, oneWorkerMs)}, two ${speed(recordByteLength, twoWorkersMs)}, scaling ` +
    `${(oneWorkerMs / twoWorkersMs).toFixed(2)}; hash ${hash}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rows: { type: "string", default: "800000" }, rounds: { type: "string", default: "2" } },
  });
  for (const size of ["large", "small"] as const) {
    for (const level of [6, 4]) {
      const rowCount = Number(values.rows) * (size === "large" ? 1 : 3);
      // deno-lint-ignore no-console -- a bench's output is its purpose
      console.log(format(await benchPipeline({ size, level, rowCount, rounds: Number(values.rounds) })));
    }
  }
}
