/**
 * What wide, sparse and many-table data cost beside dense data of few tables: the pipeline in one isolate, a source and a
 * target in memory, each shape in rounds that alternate; the best round counts. Speeds are by CPU time, all threads of the
 * process, since a machine that others use says little else; the stages' shares are by the clock.
 *
 *     deno run -A --config tests/deno.json tests/bench/shapes_bench.ts [--mb N] [--rounds N] [--only TEXT] [--verbose]
 */
import { createHash } from "node:crypto";
import { cpuUsage } from "node:process";
import { parseArgs } from "node:util";
import { decodeOptions } from "../../src/decode/options.ts";
import { assembleObject } from "../../src/encode/object.ts";
import type { Grouping } from "../../src/encode/group.ts";
import type { EncodedPiece } from "../../src/encode/piece.ts";
import type { FromWorker } from "../../src/pipeline/messages.ts";
import { PipelineWorker } from "../../src/pipeline/pipeline_worker.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { defaultConfig } from "../support/default_config.ts";
import { shapeBatches, SHAPES } from "./shapes.ts";

/** A worker's builders are sealed after so many bytes, as in the loop. */
const SEAL_BYTES = 8 << 20;

export interface ShapeCase {
  readonly shape: string;
  readonly grouping: Grouping;
  readonly config?: Readonly<Record<string, unknown>>;
  /** What the worker's builders may hold. Default: as much as they like. */
  readonly maxByteLength?: number;
}

const BY_PROJECT: Grouping = { needsProject: true, needsTable: false, timeUnit: null };
const BY_TABLE: Grouping = { needsProject: true, needsTable: true, timeUnit: null };
const BY_HOUR: Grouping = { needsProject: true, needsTable: false, timeUnit: "hour" };

export const CASES: Readonly<Record<string, ShapeCase>> = {
  "15 of 15 fields": { shape: "15 of 15 fields", grouping: BY_PROJECT },
  "15 of 1500 fields": { shape: "15 of 1500 fields", grouping: BY_PROJECT },
  "1 of 1900 fields": { shape: "1 of 1900 fields", grouping: BY_PROJECT },
  "a field of its own": { shape: "a field of its own", grouping: BY_PROJECT, config: { maxColumns: 100_000 } },
  "10 tables": { shape: "10 tables", grouping: BY_PROJECT },
  "1000 tables": { shape: "1000 tables", grouping: BY_PROJECT },
  "10000 tables": { shape: "10000 tables", grouping: BY_PROJECT },
  "10000 tables in 32 MB": { shape: "10000 tables", grouping: BY_PROJECT, maxByteLength: 32 << 20 },
  "10 tables, {table}": { shape: "10 tables", grouping: BY_TABLE },
  "1000 tables, {table}": { shape: "1000 tables", grouping: BY_TABLE },
  "100000 hours, {hour}": { shape: "100000 hours", grouping: BY_HOUR },
};

export interface ShapeResult {
  readonly recordByteLength: number;
  readonly rowCount: number;
  /** Of the CPU. */
  readonly ms: number;
  readonly stageMs: { readonly decode: number; readonly encode: number; readonly compress: number };
  /** The most that the worker said it held, and the process's own at that time. */
  readonly heldByteLength: number;
  readonly rssByteLength: number;
  readonly outputByteLength: number;
  readonly pieceCount: number;
  /** Of the objects' bytes, group by group. */
  readonly hash: string;
}

/** Runs one case over so many rows once. */
export function runShape({ shape, grouping, config, maxByteLength }: ShapeCase, rowCount: number): ShapeResult {
  const clock = new SystemClock();
  const pieces: EncodedPiece[] = [];
  const stageMs = { decode: 0, encode: 0, compress: 0 };
  let held = 0, rss = 0, bytes = 0, open = 0, ms = 0, seal = 0, rows = 0, pieceCount = 0, outputByteLength = 0;
  const hash = createHash("sha256");
  const receive = (message: FromWorker) => {
    if (message.type === "failed") throw new Error(message.message);
    if (message.bufferedByteLength > held) held = message.bufferedByteLength;
    if (message.type === "accepted") return;
    for (const output of [...message.earlier ?? [], message.output]) {
      pieces.push(...output.pieces);
      for (const stage of ["decode", "encode", "compress"] as const) stageMs[stage] += output.stageMs[stage];
    }
  };
  const worker = new PipelineWorker(
    {
      decode: { ...defaultConfig(decodeOptions), ...config },
      encode: { rowFormat: "rakam", compression: "gzip", level: 4, grouping },
      buffer: { ...(maxByteLength !== undefined && { maxByteLength }) },
    },
    receive,
    clock,
  );
  const handle = (message: Parameters<PipelineWorker["handle"]>[0]) => {
    const before = cpuUsage();
    worker.handle(message);
    const { user, system } = cpuUsage(before);
    ms += (user + system) / 1000;
    rss = Math.max(rss, Deno.memoryUsage().rss);
  };
  const finish = () => {
    handle({ type: "seal", unit: 1, seal: ++seal });
    open = 0;
    for (const { bytes, rowCount } of pieces) {
      rows += rowCount;
      outputByteLength += bytes.byteLength;
    }
    pieceCount += pieces.length;
    hash.update(assembleObject(pieces, "gzip").sha256);
    pieces.length = 0;
  };
  for (const batch of shapeBatches(SHAPES[shape], rowCount)) {
    bytes += batch.bytes.byteLength;
    open += batch.bytes.byteLength;
    handle({ type: "batch", unit: 1, batch });
    if (open >= SEAL_BYTES) finish();
  }
  if (open > 0) finish();
  if (rows !== rowCount) throw new Error(`${rowCount} rows went in and ${rows} came out`);
  return {
    recordByteLength: bytes,
    rowCount,
    ms,
    stageMs,
    heldByteLength: held,
    rssByteLength: rss,
    outputByteLength,
    pieceCount,
    hash: hash.digest("hex").slice(0, 16),
  };
}

/** Rows that make about so many bytes. */
function rowsFor(shape: string, byteLength: number): number {
  const [batch] = shapeBatches(SHAPES[shape], 100);
  return Math.ceil(100 * byteLength / batch.bytes.byteLength);
}

function print(name: string, result: ShapeResult): void {
  const { recordByteLength, ms, stageMs, heldByteLength, rssByteLength, pieceCount, hash } = result;
  const perGB = (ms: number) => (ms / 1000 / (recordByteLength / 1e9)).toFixed(1);
  // deno-lint-ignore no-console -- a bench's output is its purpose
  console.log(
    `${name.padEnd(22)} ${(recordByteLength / 1000 / ms).toFixed(1).padStart(6)} MB/s of CPU, ${perGB(ms)} s/GB ` +
      `(decode ${perGB(stageMs.decode)}, encode ${perGB(stageMs.encode)}, compress ${perGB(stageMs.compress)}), ` +
      `held ${(heldByteLength / 1e6).toFixed(0)} MB, RSS ${(rssByteLength / 1e6).toFixed(0)} MB, ` +
      `${pieceCount} pieces of ${(result.outputByteLength / pieceCount / 1e3).toFixed(1)} kB, hash ${hash}`,
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      mb: { type: "string", default: "64" },
      rounds: { type: "string", default: "2" },
      only: { type: "string", default: "" },
      verbose: { type: "boolean", default: false },
    },
  });
  const best = new Map<string, ShapeResult>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, shapeCase] of Object.entries(CASES)) {
      if (!name.includes(values.only)) continue;
      const result = runShape(shapeCase, rowsFor(shapeCase.shape, Number(values.mb) * 1e6));
      if (!(best.get(name)?.ms! <= result.ms)) best.set(name, result);
      if (values.verbose) print(name, result);
    }
  }
  if (!values.verbose) { for (const [name, result] of best) print(name, result); }
}
