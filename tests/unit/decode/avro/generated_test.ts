import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { type Exact, fieldsKept, parseExact } from "../exact_json.ts";
import { StreamBuffer } from "../../../../src/decode/stream_buffer.ts";
import { batchOf, configOf, exactRows } from "../harness.ts";
import { avscType, decodeBare } from "./avro_harness.ts";
import { expectedText, Generator } from "./generated.ts";

const SCHEMAS = 300, VALUES = 8, MUTATIONS = 12;

interface Sample {
  readonly schema: unknown;
  readonly values: readonly unknown[];
  readonly datums: readonly Uint8Array[];
  accepts(datum: Uint8Array): boolean;
}

function sample(seed: number): Sample {
  const generator = new Generator(new SeededRandom(seed));
  const schema = generator.record();
  const type = avscType(schema);
  const values = Array.from({ length: VALUES }, () => generator.value(schema));
  return {
    schema,
    values,
    datums: values.map((value) => new Uint8Array(type.toBuffer(value))),
    accepts: (datum) => {
      try {
        type.fromBuffer(Buffer.from(datum));
        return true;
      } catch (error) {
        return /precision loss/.test(String(error));
      }
    },
  };
}

const { Buffer } = await import("node:buffer");

function expectedRow(schema: unknown, value: unknown): Map<string, Exact> {
  return fieldsKept((parseExact(expectedText(schema, value)) as { entries: [string, Exact][] }).entries);
}

Deno.test("datums of generated schemas, written by avsc, give rows with equal values", () => {
  for (let seed = 1; seed <= SCHEMAS; seed++) {
    const { schema, values, datums } = sample(seed);
    const kept = datums.flatMap((datum, i) => datum.length > 0 ? [i] : []); // records of no bytes are dropped
    const { pages, deadLetters } = decodeBare(datums, { schema });
    const where = `seed ${seed}: ${JSON.stringify(schema)}`;
    assertEquals(deadLetters, [], where);
    assertEquals(pages.flatMap((page) => exactRows(page)), kept.map((i) => expectedRow(schema, values[i])), where);
  }
});

function mutate(generator: Generator, datum: Uint8Array): Uint8Array {
  const at = generator.below(datum.length + 1);
  switch (generator.below(5)) {
    case 0:
      return datum.slice(0, at);
    case 1: {
      const copy = datum.slice();
      if (copy.length > 0) copy[generator.below(copy.length)] = generator.below(256);
      return copy;
    }
    case 2: // a length or count of almost 2^63, or below zero
      return Uint8Array.from([
        ...datum.slice(0, at),
        ...Array(9).fill(0xfe + generator.below(2)),
        1,
        ...datum.slice(at),
      ]);
    case 3:
      return Uint8Array.from({ length: generator.below(40) }, () => generator.below(256));
    default:
      return Uint8Array.from([...datum, generator.below(256)]);
  }
}

Deno.test("hostile datums are rows or dead letters, and what becomes a row avsc reads too", () => {
  let rejected = 0, accepted = 0;
  for (let seed = 1; seed <= SCHEMAS; seed++) {
    const { schema, datums, accepts } = sample(seed);
    const generator = new Generator(new SeededRandom(1000 + seed));
    const hostile = datums.flatMap((datum) => Array.from({ length: MUTATIONS }, () => mutate(generator, datum)))
      .filter(({ length }) => length > 0);
    const { pages, deadLetters, buffer } = decodeBare(hostile, { schema });
    const rows = pages.reduce((sum, page) => sum + page.positionCount, 0);
    assertEquals(rows + deadLetters.length, hostile.length, `seed ${seed}`);
    assert(buffer.byteLength < 4e6, `seed ${seed}: ${buffer.byteLength} bytes`);
    const isRejected = new Set(deadLetters.map(({ position }) => Number(position)));
    hostile.forEach((datum, i) => {
      assert(isRejected.has(i) || accepts(datum), `seed ${seed}, datum ${i}: only we read it`);
    });
    rejected += deadLetters.length;
    accepted += rows;
  }
  assert(rejected > 10_000 && accepted > 1000, `${rejected} rejected, ${accepted} accepted`);
});

Deno.test("hostile container files are rows and dead letters, never an error", async () => {
  const files = ["java.null.avro", "java.snappy.avro", "fastavro.bzip2.avro", "fastavro.xz.avro", "java.deflate.avro"];
  let rejected = 0;
  for (const [index, name] of files.entries()) {
    const bytes = await Deno.readFile(new URL(`../../../golden/avro/${name}`, import.meta.url));
    const generator = new Generator(new SeededRandom(index));
    const docs = Array.from({ length: 30 }, () => {
      const mutant = mutate(generator, bytes);
      return mutant.length < 100 ? Uint8Array.from([0x4f, 0x62, 0x6a, 1, ...mutant]) : mutant;
    });
    const buffer = new StreamBuffer(configOf({ dataFormat: "AVRO" }));
    buffer.append(batchOf(docs));
    const { counts } = buffer.seal();
    const { records, rows, deadLetters } = counts[0];
    assertEquals(records, rows + deadLetters, name);
    assert(buffer.byteLength < 32e6, `${name}: ${buffer.byteLength} bytes`);
    rejected += deadLetters;
  }
  assert(rejected > 100, `${rejected} rejected`);
});
