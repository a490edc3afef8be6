/** Files and datums that Avro's Java and Python's fastavro wrote: what comes out must be the rows that went in. */
import { assertEquals } from "@std/assert";
import { CODECS, isContainer, readBlock, readHeader } from "../../../src/avro/container.ts";
import { canonicalForm, fingerprintOf } from "../../../src/avro/fingerprint.ts";
import type { SchemaText } from "../../../src/avro/known_schema.ts";
import { parseSchema } from "../../../src/avro/schema.ts";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import { linesOf } from "../../unit/decode/avro/avro_harness.ts";
import { type Exact, fieldsKept, parseExact } from "../../unit/decode/exact_json.ts";
import { batchOf, configOf, type Decoded, exactRows, sealed, typesOf } from "../../unit/decode/harness.ts";

const here = (name: string) => new URL(name, import.meta.url);
const schema = Deno.readTextFileSync(here("everything.avsc"));
const expected = Deno.readTextFileSync(here("fastavro.expected.ndjson")).trimEnd().split("\n").map((line) =>
  fieldsKept((parseExact(line) as { entries: [string, Exact][] }).entries)
);

/** The file's blocks as the file source gives them. */
function decodeBlocks(bytes: Uint8Array, reader: SchemaText | null = null): Decoded {
  const header = readHeader(bytes)!;
  const blocks: Uint8Array[] = [];
  for (let at = header.byteLength; at < bytes.length;) {
    const block = readBlock(bytes, at, header.sync)!;
    blocks.push(bytes.slice(at, block.end));
    at = block.next;
  }
  const buffer = new StreamBuffer(configOf({ dataFormat: "AVRO" }));
  buffer.update({ forget: false, hasRegistry: false, reader, schemas: [] });
  buffer.append(batchOf(blocks, { writerSchema: header.schema, blockCodec: header.codec }));
  return sealed(buffer);
}

function assertRows({ pages, deadLetters }: Decoded, rows: readonly Map<string, Exact>[]): void {
  assertEquals(deadLetters, []);
  assertEquals(pages.length, 1);
  assertEquals(sorted(exactRows(pages[0])), sorted(rows));
}

/** Columns stand in the order in which rows named them, fields in that of the schema. */
function sorted(rows: readonly Map<string, Exact>[]): [string, Exact][][] {
  return rows.map((row) => [...row].sort(([a], [b]) => a < b ? -1 : 1));
}

for (const writer of ["java", "fastavro"]) {
  for (const codec of CODECS) {
    Deno.test(`a container file that ${writer} wrote with the codec ${codec} gives its rows`, () => {
      const bytes = Deno.readFileSync(here(`${writer}.${codec}.avro`));
      assertEquals(isContainer(bytes, 0, bytes.length), true);
      assertRows(decodeBlocks(bytes), expected);
    });

    Deno.test(`a record that is a whole file of ${writer} with the codec ${codec} gives its rows`, () => {
      const buffer = new StreamBuffer(configOf());
      buffer.append(batchOf([Deno.readFileSync(here(`${writer}.${codec}.avro`))]));
      assertRows(sealed(buffer), expected);
    });
  }
}

Deno.test("a time of day outside of a day goes on in the same form", () => {
  const { pages, deadLetters } = decodeBlocks(Deno.readFileSync(here("time_of_day.avro")));
  assertEquals([linesOf(pages), deadLetters], [
    [
      '{"t":"5608:53:20.000000","m":"00:00:00.001","id":1}',
      '{"t":"00:00:00.000001","m":"-00:00:00.001","id":2}',
      '{"t":"00:00:00.000001","m":"24:00:00.000","id":3}',
      '{"t":"00:00:00.000001","m":"00:00:00.001","id":4}',
    ],
    [],
  ]);
});

Deno.test("records that take no bytes are rows", () => {
  const { pages, deadLetters } = decodeBlocks(Deno.readFileSync(here("zero_byte_datums.avro")));
  assertEquals([linesOf(pages), deadLetters], [Array(100).fill("{}"), []]);
});

Deno.test("the default of a long is exact up to 64 bits", () => {
  const reader = { json: Deno.readTextFileSync(here("long_default.avsc")), references: [] };
  const { pages, deadLetters } = decodeBlocks(Deno.readFileSync(here("long_default.avro")), reader);
  assertEquals([linesOf(pages), deadLetters], [
    ['{"i":1,"until":9223372036854775807}', '{"i":2,"until":9223372036854775807}'],
    [],
  ]);
});

Deno.test("a file's schema decides the column types", () => {
  const { pages } = decodeBlocks(Deno.readFileSync(here("java.null.avro")));
  assertEquals(typesOf(pages[0]), {
    _time: "TIMESTAMP EPOCH_MS",
    flag: "BOOLEAN",
    small: "INTEGER",
    large: "BIGINT",
    ratio: "DOUBLE",
    half: "DOUBLE",
    raw: "VARCHAR",
    text: "VARCHAR",
    color: "VARCHAR",
    mac: "VARCHAR",
    price: "DOUBLE",
    huge: "JSON",
    day: "DATE",
    clock: "VARCHAR",
    clock_us: "VARCHAR",
    at_us: "TIMESTAMP ISO_US",
    local: "VARCHAR",
    id: "VARCHAR",
    tags: "ARRAY(VARCHAR)",
    scores: "MAP(DOUBLE)",
    tree: "JSON",
    _user: "VARCHAR",
    either: "JSON",
  });
});

Deno.test("a single object of Java's encoder is found by its fingerprint", () => {
  const parsed = parseSchema(schema);
  const buffer = new StreamBuffer(configOf());
  buffer.update({
    forget: false,
    hasRegistry: false,
    reader: null,
    schemas: [{
      key: { by: "fingerprint", fingerprint: fingerprintOf(parsed) },
      schema: { json: schema, references: [] },
    }],
  });
  buffer.append(batchOf([Deno.readFileSync(here("java.single-object.bin"))]));
  assertRows(sealed(buffer), [expected[7]]);
});

Deno.test("fingerprintOf() is that of fastavro", () => {
  const theirs = Deno.readTextFileSync(here("fastavro.fingerprint.txt")).trim();
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, fingerprintOf(parseSchema(schema)), true);
  assertEquals(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""), theirs);
});

Deno.test("canonicalForm() names a type in full once, and by its name from then on", () => {
  const text = '{"type":"record","name":"a.B","doc":"x","fields":[{"name":"n","type":["null","B"],"default":null}]}';
  assertEquals(
    canonicalForm(parseSchema(text)),
    '{"name":"a.B","type":"record","fields":[{"name":"n","type":["null","a.B"]}]}',
  );
});
