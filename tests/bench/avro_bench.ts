/**
 * Avro datums to NDJSON, beside what everybody would write: avsc's fromBuffer and JSON.stringify, one record at a time,
 * in one isolate:
 *
 *     deno run -A --config tests/deno.json tests/bench/avro_bench.ts [rows] [rounds]
 *
 * The two take turns, and of each the best round counts, since other programs can only slow it down.
 */
import avro from "avsc";
import { createHash } from "node:crypto";
import { type DecodeConfig, decodeOptions } from "../../src/decode/options.ts";
import { StreamBuffer } from "../../src/decode/stream_buffer.ts";
import { OutputBuffer } from "../../src/encode/output_buffer.ts";
import { planRows } from "../../src/encode/row_plan.ts";
import { Scratch } from "../../src/encode/scratch.ts";
import { RowWalk } from "../../src/encode/write_rows.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import { defaultConfig } from "../support/default_config.ts";
import { generateEvents } from "./events.ts";

const nullable = (type: string) => ({ type: ["null", type], default: null });

/** The 13 fields of the large events, as the original has them: all may be null. */
export const EVENT_SCHEMA = {
  type: "record",
  name: "Event",
  namespace: "com.example.shop",
  fields: [
    { name: "_time", ...nullable("long") },
    { name: "_user", ...nullable("string") },
    { name: "session_id", ...nullable("string") },
    { name: "url", ...nullable("string") },
    { name: "referrer", ...nullable("string") },
    { name: "user_agent", ...nullable("string") },
    { name: "country", ...nullable("string") },
    { name: "screen_width", ...nullable("int") },
    { name: "price", ...nullable("double") },
    { name: "load_seconds", ...nullable("double") },
    { name: "is_mobile", ...nullable("boolean") },
    { name: "visits", ...nullable("int") },
    { name: "created_at", ...nullable("string") },
  ],
};

const ROWS_PER_BATCH = 1000;

export interface AvroBenchResult {
  readonly rowCount: number;
  readonly avroByteLength: number;
  readonly ndjsonByteLength: number;
  /** Best rounds, ms. */
  readonly decodeMs: number;
  readonly ndjsonMs: number;
  readonly avscMs: number;
  /** SHA-256 of the NDJSON, hex: the same for the same events. */
  readonly hash: string;
}

function batches(rowCount: number, type: avro.Type): RecordBatch[] {
  const { bytes, offsets } = generateEvents({ rowCount, layout: "PLAIN", size: "large" });
  const decoder = new TextDecoder();
  const datums = Array.from(
    { length: rowCount },
    (_, i) => type.toBuffer(JSON.parse(decoder.decode(bytes.subarray(offsets[i], offsets[i + 1])))),
  );
  const result: RecordBatch[] = [];
  for (let first = 0; first < rowCount; first += ROWS_PER_BATCH) {
    const part = datums.slice(first, first + ROWS_PER_BATCH);
    const ends = new Uint32Array(part.length + 1);
    part.forEach((datum, i) => ends[i + 1] = ends[i] + datum.length);
    const all = new Uint8Array(ends[part.length]);
    part.forEach((datum, i) => all.set(datum, ends[i]));
    result.push({
      split: "events/0",
      epoch: 1n,
      start: String(first),
      next: String(first + part.length),
      rowCount: part.length,
      bytes: all,
      offsets: ends,
      timestamps: new Float64Array(part.length).fill(NaN),
      positions: new BigInt64Array(part.length),
      keys: null,
      headers: null,
    });
  }
  return result;
}

/** Our way: all batches to pages, the pages to NDJSON. */
class Ours {
  readonly #buffer: StreamBuffer;
  readonly #out = new OutputBuffer(0);
  readonly #walk = new RowWalk(new Scratch(0, 0));

  constructor() {
    const config = defaultConfig<DecodeConfig>(decodeOptions, {
      dataFormat: "AVRO",
      avroEncoding: "BARE",
      arrivalField: "none",
    });
    this.#buffer = new StreamBuffer(config);
    const key = { by: "table", project: null, collection: null } as const;
    const schema = { json: JSON.stringify(EVENT_SCHEMA), references: [] };
    this.#buffer.update({ forget: false, hasRegistry: false, reader: null, schemas: [{ key, schema }] });
  }

  /** Returns ms until the pages were there, and the NDJSON, valid until the next call. */
  run(all: readonly RecordBatch[]): { decodeMs: number; ndjson: Uint8Array } {
    const startMs = performance.now();
    for (const batch of all) this.#buffer.append(batch);
    const { pages } = this.#buffer.seal();
    const decodeMs = performance.now() - startMs;
    const out = this.#out;
    out.length = 0;
    for (const page of pages) {
      const plan = planRows(page, "flat", { project: false, table: false });
      const walk = this.#walk;
      walk.begin(plan, page.positionCount);
      while (walk.advance()) walk.write(out, walk.start, walk.end);
    }
    this.#buffer.reset();
    return { decodeMs, ndjson: out.written() };
  }
}

/** What everybody would write: an object a record, nulls left out as ours are. */
function runAvsc(type: avro.Type, all: readonly RecordBatch[]): Uint8Array {
  let lines = "";
  for (const { bytes, offsets, rowCount } of all) {
    const whole = toBuffer(bytes);
    for (let i = 0; i < rowCount; i++) {
      lines += JSON.stringify(type.fromBuffer(whole.subarray(offsets[i], offsets[i + 1]) as never)) + "\n";
    }
  }
  return new TextEncoder().encode(lines);
}

const { Buffer } = await import("node:buffer");
function toBuffer(bytes: Uint8Array) {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** @throws Error when the two don't say the same. */
export function runAvroBench(rowCount: number, rounds: number): AvroBenchResult {
  const type = avro.Type.forSchema(EVENT_SCHEMA as avro.Schema, { wrapUnions: false });
  const all = batches(rowCount, type);
  const ours = new Ours();
  const decoder = new TextDecoder();
  const withoutNulls = decoder.decode(runAvsc(type, all)).replaceAll(/,"[a-z_]+":null/g, "");
  const first = ours.run(all).ndjson;
  if (decoder.decode(first) !== withoutNulls) throw new Error("the text differs from that of avsc and JSON.stringify");
  const hash = createHash("sha256").update(first).digest("hex");
  let decodeMs = Infinity, ndjsonMs = Infinity, avscMs = Infinity;
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    const ran = ours.run(all);
    ndjsonMs = Math.min(ndjsonMs, performance.now() - startMs);
    decodeMs = Math.min(decodeMs, ran.decodeMs);
    const avscStartMs = performance.now();
    runAvsc(type, all);
    avscMs = Math.min(avscMs, performance.now() - avscStartMs);
  }
  const avroByteLength = all.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { rowCount, avroByteLength, ndjsonByteLength: first.length, decodeMs, ndjsonMs, avscMs, hash };
}

if (import.meta.main) {
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const { rowCount, avroByteLength, ndjsonByteLength, decodeMs, ndjsonMs, avscMs, hash } = runAvroBench(
    Number(Deno.args[0] ?? 20_000),
    Number(Deno.args[1] ?? 30),
  );
  const rate = (ms: number, byteLength: number) =>
    `${(rowCount / ms).toFixed(0).padStart(6)} rows/ms ${(byteLength / 1e3 / ms).toFixed(0).padStart(5)} MB/s`;
  print(
    `${rowCount} Avro events of 13 fields, ${(avroByteLength / rowCount).toFixed(0)} bytes each, sha256 ${
      hash.slice(0, 16)
    }`,
  );
  print(`  Avro -> pages            ${rate(decodeMs, avroByteLength)} of Avro`);
  print(`  Avro -> pages -> NDJSON  ${rate(ndjsonMs, ndjsonByteLength)} of NDJSON`);
  print(`  avsc + JSON.stringify    ${rate(avscMs, ndjsonByteLength)} of NDJSON`);
  print(`  ${(avscMs / ndjsonMs).toFixed(2)} times as fast`);
}
