/**
 * Shapes of data that cost more than they hold where memory or time follow rows x columns x tables: wide and sparse
 * events, many tables, many hours. The same bytes for the same seed.
 */
import { SeededRandom } from "../../src/runtime/random.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";

/** 2020-01-01T00:00:00Z. */
const START_MS = 1_577_836_800_000;
const WORDS = ["alpha", "beta-gamma", "delta 42", "https://example.com/a/b", "epsilon", "zeta_eta"];

/** One record as text. */
type Line = (random: SeededRandom, row: number) => string;

/** 15 fields of about 400 bytes in all, those of `names`; a field always has values of one kind. */
function wideEvent(names: readonly number[], random: SeededRandom, row: number): string {
  const fields = names.map((name) => {
    const draw = random.next();
    if (name % 3 === 0) return `"field_${name}":${Math.floor(draw * 100_000)}`;
    if (name % 3 === 1) return `"field_${name}":${Math.floor(draw * 1e6) / 1000}`;
    return `"field_${name}":"${WORDS[Math.floor(draw * WORDS.length)]}-${Math.floor(draw * 1e6)}"`;
  });
  return `{"project":"p","collection":"t","properties":{"_time":${START_MS + row * 37},${fields.join(",")}}}`;
}

/** `count` different numbers below `bound`, ascending. */
function pick(random: SeededRandom, count: number, bound: number): number[] {
  const picked = new Set<number>();
  while (picked.size < count) picked.add(Math.floor(random.next() * bound));
  return [...picked].sort((a, b) => a - b);
}

/** An event of 160 bytes of one of so many tables, in turn. */
function tableEvent(tables: number): Line {
  return (random, row) =>
    `{"project":"p","collection":"table_${row % tables}","properties":{"_time":${START_MS + row * 37},` +
    `"_user":"u${Math.floor(random.next() * 1e6)}","url":"/products/${Math.floor(random.next() * 1e6)}",` +
    `"visits":${Math.floor(random.next() * 1000)},"referrer":"google.com"}}`;
}

const FIFTEEN = Array.from({ length: 15 }, (_, i) => i * 100);

export const SHAPES: Readonly<Record<string, Line>> = {
  "15 of 15 fields": (random, row) => wideEvent(FIFTEEN, random, row),
  "15 of 1500 fields": (random, row) => wideEvent(pick(random, 15, 1500), random, row),
  "1 of 1900 fields": (random) =>
    `{"project":"p","collection":"t","properties":{"_time":${START_MS},"f${Math.floor(random.next() * 1900)}":7}}`,
  "a field of its own": (_, row) =>
    `{"project":"p","collection":"t","properties":{"_time":${START_MS + row},"field_${row}":7}}`,
  "10 tables": tableEvent(10),
  "1000 tables": tableEvent(1000),
  "10000 tables": tableEvent(10_000),
  "100000 hours": (random, row) =>
    `{"project":"p","collection":"t","properties":{"_time":${START_MS + Math.floor(random.next() * 1e5) * 3_600_000},` +
    `"n":${row}}}`,
};

/** Batches of about 1 MB of one split, one after the other, as a file gives them; each owns its arrays. */
export function* shapeBatches(line: Line, rowCount: number, seed = 1): Generator<RecordBatch> {
  const random = new SeededRandom(seed), encoder = new TextEncoder();
  for (let first = 0; first < rowCount;) {
    const lines: string[] = [], ends: number[] = [0];
    for (let row = first; row < rowCount && ends[ends.length - 1] < 1 << 20; row++) {
      lines.push(line(random, row));
      ends.push(ends[ends.length - 1] + lines[lines.length - 1].length);
    }
    const next = first + lines.length;
    yield {
      split: "events/0",
      epoch: 1n,
      start: String(first),
      next: String(next),
      rowCount: lines.length,
      bytes: encoder.encode(lines.join("")),
      offsets: Uint32Array.from(ends),
      timestamps: new Float64Array(lines.length).fill(START_MS),
      positions: BigInt64Array.from(lines, (_, i) => BigInt(first + i)),
      keys: null,
      headers: null,
    };
    first = next;
  }
}
