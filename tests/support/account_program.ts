/**
 * Prints what a buffer's account says it holds and what the heap really grew by, for each shape of data: after a full
 * collection, since the account counts what is held and no garbage. Needs --v8-flags=--expose-gc.
 */
import { decodeOptions } from "../../src/decode/options.ts";
import { StreamBuffer } from "../../src/decode/stream_buffer.ts";
import { shapeBatches, SHAPES } from "../bench/shapes.ts";
import { defaultConfig } from "./default_config.ts";

const collect = (globalThis as unknown as { gc: () => void }).gc;

/** Of heap objects and of the memory of arrays, bytes. */
function heldByteLength(): number {
  collect();
  collect();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

const CASES: readonly [string, number][] = [
  ["15 of 15 fields", 20_000],
  ["15 of 1500 fields", 20_000],
  ["1 of 1900 fields", 100_000],
  ["a field of its own", 20_000],
  ["1000 tables", 30_000],
  ["10000 tables", 30_000],
];

for (const [shape, rowCount] of CASES) {
  const run = () => {
    const buffer = new StreamBuffer({ ...defaultConfig(decodeOptions), maxColumns: 100_000 });
    const batches = [...shapeBatches(SHAPES[shape], rowCount)];
    const before = heldByteLength(), counted = buffer.byteLength;
    for (const batch of batches) buffer.append(batch);
    const grown = heldByteLength() - before, account = buffer.byteLength - counted;
    return { shape, grown, account, rowCount: buffer.rowCount, batchCount: batches.length };
  };
  run();
  // deno-lint-ignore no-console -- its output is its answer
  console.log(JSON.stringify(run()));
}
