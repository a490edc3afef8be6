/**
 * JSON bytes to pages beside TextDecoder + JSON.parse of the same records, one record at a time, in one isolate:
 *
 *     deno run -A --config tests/deno.json tests/bench/decode_bench.ts [--rows N] [--rounds N]
 *
 * Batches alternate between the two, and of every batch its best round counts, since other programs can only slow it down.
 */
import { parseArgs } from "node:util";
import type { Page } from "../../src/columnar/page.ts";
import { detachPages } from "../../src/columnar/detach.ts";
import { type DecodeConfig, decodeOptions } from "../../src/decode/options.ts";
import { StreamBuffer } from "../../src/decode/stream_buffer.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import { defaultConfig } from "../support/default_config.ts";
import { type EventOptions, generateBatches } from "./events.ts";

export interface DecodeBenchResult {
  readonly size: EventOptions["size"];
  readonly layout: EventOptions["layout"];
  readonly rowCount: number;
  readonly byteLength: number;
  /** Best rounds, ms. */
  readonly decodeMs: number;
  readonly parseMs: number;
  /** Of the pages' contents: the same for the same events. */
  readonly hash: string;
}

const ROWS_PER_BATCH = 1000;
const BATCHES_PER_SEAL = 10;
const decoder = new TextDecoder();

/** What everybody would write. Returns something of the result so that nothing is optimised away. */
function parseBatch({ bytes, offsets, rowCount }: RecordBatch): number {
  let records = 0;
  for (let i = 0; i < rowCount; i++) {
    if (JSON.parse(decoder.decode(bytes.subarray(offsets[i], offsets[i + 1]))) !== null) records++;
  }
  return records;
}

/** Appends a batch; every tenth seals the buffer, as a pipeline worker would. */
function decodeBatch(buffer: StreamBuffer, batch: RecordBatch, index: number, onPages?: (pages: Page[]) => void): void {
  buffer.append(batch);
  if ((index + 1) % BATCHES_PER_SEAL !== 0) return;
  const { pages } = buffer.seal();
  onPages?.(pages);
  buffer.reset();
}

async function hashOf(batches: readonly RecordBatch[], config: DecodeConfig): Promise<string> {
  const chunks: Uint8Array[] = [];
  const buffer = new StreamBuffer(config);
  const onPages = (pages: Page[]) => {
    const detached = detachPages(pages);
    chunks.push(new TextEncoder().encode(JSON.stringify(detached.pages.map(({ table, columns }) => [table, columns]))));
    chunks.push(...detached.transfer.map((buffer) => new Uint8Array(buffer)));
  };
  batches.forEach((batch, i) => decodeBatch(buffer, batch, i, onPages));
  onPages(buffer.seal().pages);
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(chunks as BlobPart[]).arrayBuffer());
  return new Uint8Array(digest).toHex().slice(0, 16);
}

/** Measures one kind of event. */
export async function benchDecode(
  events: { size: EventOptions["size"]; layout: EventOptions["layout"] },
  { rowCount, rounds }: { rowCount: number; rounds: number },
): Promise<DecodeBenchResult> {
  const batches = generateBatches({ ...events, rowCount, rowsPerBatch: ROWS_PER_BATCH });
  const config = defaultConfig<DecodeConfig>(decodeOptions);
  const buffer = new StreamBuffer(config);
  const decodeMs = new Float64Array(batches.length).fill(Infinity);
  const parseMs = new Float64Array(batches.length).fill(Infinity);
  for (let round = 0; round < rounds; round++) {
    let records = 0;
    batches.forEach((batch, i) => {
      const start = performance.now();
      decodeBatch(buffer, batch, i);
      const middle = performance.now();
      records += parseBatch(batch);
      decodeMs[i] = Math.min(decodeMs[i], middle - start);
      parseMs[i] = Math.min(parseMs[i], performance.now() - middle);
    });
    if (records !== rowCount) throw new Error("records are missing");
  }
  const sum = (times: Float64Array) => times.reduce((total, ms) => total + ms, 0);
  const byteLength = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return {
    ...events,
    rowCount,
    byteLength,
    decodeMs: sum(decodeMs),
    parseMs: sum(parseMs),
    hash: await hashOf(batches, config),
  };
}

function describe({ size, layout, rowCount, byteLength, decodeMs, parseMs, hash }: DecodeBenchResult): string {
  const speed = (ms: number) =>
    `${Math.round(rowCount / ms).toString().padStart(5)}k rows/s ${
      (byteLength / ms / 1000).toFixed(0).padStart(4)
    } MB/s`;
  return `${size.padEnd(5)} ${layout.padEnd(6)} ${Math.round(byteLength / rowCount)} B/row: pages ${
    speed(decodeMs)
  }, ` +
    `JSON.parse ${speed(parseMs)}, ratio ${(parseMs / decodeMs).toFixed(2)}, sha256 ${hash}`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { rows: { type: "string" }, rounds: { type: "string" } } });
  const write = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  for (const size of ["large", "small"] as const) {
    for (const layout of ["RAKAM", "FABRIC", "PLAIN"] as const) {
      const options = { rowCount: Number(values.rows ?? 20_000), rounds: Number(values.rounds ?? 15) };
      write(describe(await benchDecode({ size, layout }, options)));
    }
  }
}
