/**
 * How fast pages become NDJSON, next to JSON.stringify of the same rows, and compressed objects, next to gzipSync of the
 * same output; in one process, in alternating rounds. `deno run -A --config tests/deno.json tests/bench/encode_bench.ts [seconds a measurement]`
 *
 * JSON.stringify gets its rows as objects that exist already, and its text is not even turned into bytes.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Page } from "../../src/columnar/page.ts";
import type { ColumnType } from "../../src/columnar/types.ts";
import { Encoder } from "../../src/encode/encoder.ts";
import { assembleObject } from "../../src/encode/object.ts";
import { OutputBuffer } from "../../src/encode/output_buffer.ts";
import { planRows } from "../../src/encode/row_plan.ts";
import { Scratch } from "../../src/encode/scratch.ts";
import { RowWalk } from "../../src/encode/write_rows.ts";
import { type ColumnSpec, pageOf, type Value } from "../unit/encode/pages.ts";
import { generateEvents } from "./events.ts";

interface Row {
  readonly project: string;
  readonly collection: string;
  readonly properties: Readonly<Record<string, Value>>;
}

interface Rates {
  /** MB/s of output, by what was measured. */
  readonly [what: string]: number;
}

function columnType(value: Value): ColumnType {
  if (typeof value === "boolean") return "BOOLEAN";
  if (typeof value === "number") return Number.isInteger(value) ? "INTEGER" : "DOUBLE";
  return "VARCHAR";
}

function column(name: string, values: readonly Value[]): ColumnSpec {
  if (name === "_time") return { name, type: "TIMESTAMP", values };
  if (name === "created_at") {
    return { name, type: "TIMESTAMP", form: "ISO_MS", values: values.map((value) => Date.parse(value as string)) };
  }
  const types = new Set(values.filter((value) => value !== null).map(columnType));
  const type = types.has("DOUBLE") ? "DOUBLE" : [...types][0] ?? "VARCHAR";
  return { name, type, values };
}

function readRows(size: "large" | "small", rowCount: number): Row[] {
  const { bytes, offsets } = generateEvents({ rowCount, layout: "RAKAM", size });
  const decoder = new TextDecoder();
  return Array.from(
    { length: rowCount },
    (_, i) => JSON.parse(decoder.decode(bytes.subarray(offsets[i], offsets[i + 1]))),
  );
}

function pageOfRows(rows: readonly Row[]): Page {
  const [{ project, collection, properties }] = rows;
  const columns = Object.keys(properties).map((name) => column(name, rows.map((row) => row.properties[name] ?? null)));
  return pageOf(columns, { project, collection });
}

/** The row as JSON.stringify must print it for the same text. */
function plainObject({ project, collection, properties }: Row): object {
  const { _time, _user, ...others } = properties;
  const kept = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null));
  return { _time, $schema: project, $table: collection, _user, properties: kept };
}

function collections(rows: readonly Row[]): Row[][] {
  const tables = new Map<string, Row[]>();
  for (const row of rows) {
    const table = tables.get(row.collection);
    if (table === undefined) tables.set(row.collection, [row]);
    else table.push(row);
  }
  return [...tables.values()];
}

/** Runs the actions in turn until `seconds` have gone into each; the fastest third of the rounds counts. */
function measure(actions: Readonly<Record<string, () => void>>, byteLength: number, seconds: number): Rates {
  const times = new Map(Object.keys(actions).map((name) => [name, [] as number[]]));
  for (const action of Object.values(actions)) action();
  for (let spent = 0; spent < seconds * 1000;) {
    for (const [name, action] of Object.entries(actions)) {
      const start = performance.now();
      action();
      const elapsed = performance.now() - start;
      times.get(name)!.push(elapsed);
      spent += elapsed / times.size;
    }
  }
  return Object.fromEntries([...times].map(([name, list]) => {
    const best = list.sort((a, b) => a - b).slice(0, Math.ceil(list.length / 3));
    return [name, byteLength / 1e3 / (best.reduce((sum, ms) => sum + ms, 0) / best.length)];
  }));
}

export interface BenchResult {
  readonly size: string;
  readonly rowCount: number;
  readonly rawByteLength: number;
  readonly rates: Rates;
  /** SHA-256 of the NDJSON, hex: the same for the same rows. */
  readonly hash: string;
}

/** Measures one kind of event. @throws Error when the text isn't that of JSON.stringify. */
export function runBench(size: "large" | "small", rowCount: number, seconds: number): BenchResult {
  const tables = collections(readRows(size, rowCount));
  const pages = tables.map(pageOfRows);
  const objects = tables.flat().map(plainObject);
  const expected = objects.map((object) => JSON.stringify(object) + "\n").join("");

  const out = new OutputBuffer(0), walk = new RowWalk(new Scratch(0, 0));
  const encodeRows = () => {
    out.length = 0;
    for (const page of pages) {
      const plan = planRows(page, "rakam", { project: false, table: false });
      walk.begin(plan, page.positionCount);
      while (walk.advance()) walk.write(out, walk.start, walk.end);
    }
  };
  encodeRows();
  const ndjson = out.written().slice();
  if (new TextDecoder().decode(ndjson) !== expected) throw new Error("the text differs from that of JSON.stringify");

  const clock = { monotonicMs: () => 0 };
  const grouping = { needsProject: true, needsTable: false, timeUnit: null };
  const encoderOf = (level: number) => new Encoder({ rowFormat: "rakam", compression: "gzip", level, grouping, clock });
  const gzip4 = encoderOf(4), gzip6 = encoderOf(6);
  let characters = 0;
  const stringify = () => {
    for (const object of objects) characters += JSON.stringify(object).length;
  };
  const utf8 = new TextEncoder();
  const stringifyToBytes = () => {
    let lines = "";
    for (const object of objects) lines += JSON.stringify(object) + "\n";
    characters += utf8.encode(lines).length;
  };
  const rates = {
    ...measure(
      { "JSON.stringify": stringify, "JSON.stringify to bytes": stringifyToBytes, "page -> NDJSON": encodeRows },
      ndjson.length,
      seconds,
    ),
    ...measure(
      {
        "gzipSync 6": () => gzipSync(ndjson, { level: 6 }),
        "page -> object, gzip 6": () => assembleObject(gzip6.encodePages(pages), "gzip"),
        "page -> object, gzip 4": () => assembleObject(gzip4.encodePages(pages), "gzip"),
      },
      ndjson.length,
      seconds,
    ),
  };
  return {
    size,
    rowCount,
    rawByteLength: ndjson.length,
    rates,
    hash: createHash("sha256").update(ndjson).digest("hex"),
  };
}

if (import.meta.main) {
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const seconds = Number(Deno.args[0] ?? 2);
  for (const [size, rowCount] of [["large", 20_000], ["small", 60_000]] as const) {
    const { rates, rawByteLength, hash } = runBench(size, rowCount, seconds);
    print(
      `${size} events: ${rowCount} rows, ${(rawByteLength / rowCount).toFixed(0)} bytes a row, sha256 ${
        hash.slice(0, 16)
      }`,
    );
    for (const [what, rate] of Object.entries(rates)) print(`  ${what.padEnd(26)} ${rate.toFixed(0).padStart(5)} MB/s`);
    print(
      `  NDJSON is ${(rates["page -> NDJSON"] / rates["JSON.stringify"]).toFixed(2)} times as fast as JSON.stringify`,
    );
    print(`  gzip 6: ${(rates["page -> object, gzip 6"] / rates["gzipSync 6"]).toFixed(2)} of gzipSync 6 alone`);
  }
}
