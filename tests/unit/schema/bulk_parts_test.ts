import { assertEquals } from "@std/assert";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import { bulkParts, type FileStore, namesFiles } from "../../../src/records/bulk_parts.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import { batchOf, bytesColumn, configOf, sealed } from "../decode/harness.ts";
import { linesOf, schemaUpdate } from "../decode/avro/avro_harness.ts";

const NEVER = new AbortController().signal;
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (value: string) => [2 * value.length, ...utf8(value)];

/** A table's schema as the original has them: all fields may be null. */
function tableSchema(...names: string[]): string {
  const fields = names.map((name) => ({ name, type: ["null", "int"], default: null }));
  return JSON.stringify({ type: "record", name: "R", fields });
}

const SCHEMAS = [["clicks", tableSchema("a", "b", "c")], ["prices", tableSchema("p")]].map(([collection, json]) => ({
  key: { by: "table", project: "shop", collection } as const,
  schema: { json, references: [] },
}));

/** Two rows of the first two columns of clicks, one of prices. */
const FILE = Uint8Array.from([
  ...text("Shop"),
  ...text("clicks"),
  ...[4, 4, 2, 2, 0, 0, 2, 4],
  ...text("prices"),
  ...[2, 2, 2, 6],
]);

function reference(key: string, byteLength = FILE.length): Uint8Array {
  const bytes = Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 0, ...utf8(key)]);
  new DataView(bytes.buffer).setBigUint64(1, BigInt(byteLength));
  return bytes;
}

function storeOf(files: Readonly<Record<string, Uint8Array>>, read: string[] = []): FileStore {
  return {
    read: (key) => {
      read.push(key);
      return Promise.resolve(files[key] ?? null);
    },
    close: () => {},
  };
}

async function partsOf(batch: RecordBatch, store: FileStore): Promise<RecordBatch[]> {
  return await Array.fromAsync(bulkParts(batch, store, NEVER));
}

function decodeParts(parts: readonly RecordBatch[]) {
  const buffer = new StreamBuffer(
    configOf({ dataFormat: "AVRO", avroEncoding: "RAKAM", metadataColumns: ["position"] }),
  );
  buffer.update(schemaUpdate(SCHEMAS));
  for (const part of parts) buffer.append(part);
  const { counts } = buffer.seal();
  return { ...sealed(buffer), counts };
}

Deno.test("a record that names a bulk file gives the file's rows, each in its table", async () => {
  const datum = Uint8Array.from([0, 2, 18]);
  const batch = batchOf([reference("f"), datum], { split: "shop.prices/0" });
  assertEquals(namesFiles(batch), true);
  const { pages, deadLetters, counts } = decodeParts(await partsOf(batch, storeOf({ f: FILE })));
  assertEquals(deadLetters, []);
  assertEquals(pages.map(({ table }) => `${table.project}/${table.collection}`), ["shop/clicks", "shop/prices"]);
  assertEquals(linesOf(pages), [
    '{"a":1,"_position":"0:0"}',
    '{"_position":"0:1","b":2}',
    '{"p":3,"_position":"0:2"}',
    '{"p":9,"_position":1}',
  ]);
  assertEquals(counts.map(({ records, rows }) => [records, rows]), [[4, 4]]);
});

const BROKEN: [name: string, record: Uint8Array, files: Record<string, Uint8Array>, message: string][] = [
  ["that isn't there", reference("f"), {}, "the bulk file that it names is not in the bucket, or too large"],
  ["of another size", reference("f", 5), { f: FILE }, `the bulk file that it names has ${FILE.length} bytes, not 5`],
  [
    "of a table without schema",
    reference("f", 10),
    { f: Uint8Array.from([...text("p"), ...text("none"), 2, 2, 0]) },
    "no schema is known for its table: see source.avro.schema and source.avro.schema-directory",
  ],
  [
    "with more columns than its table",
    reference("f", 15),
    { f: Uint8Array.from([...text("shop"), ...text("prices"), 4, 2, 0]) },
    "a bulk file has 2 columns, and its table's schema 1",
  ],
  [
    "that is cut off",
    reference("f", 16),
    { f: Uint8Array.from([...text("shop"), ...text("prices"), 2, 4, 2, 6]) },
    "in its file, after 1 of 2 rows: the record ends at byte 16, where a record was expected",
  ],
];

for (const [name, record, files, message] of BROKEN) {
  Deno.test(`a record that names a bulk file ${name} is a dead letter`, async () => {
    const { deadLetters } = decodeParts(await partsOf(batchOf([record]), storeOf(files)));
    assertEquals(deadLetters.map((letter) => letter.message), [message]);
  });
}

Deno.test("without a store for bulk files their records are dead letters", () => {
  const { deadLetters } = decodeParts([batchOf([reference("f"), Uint8Array.of(3, 0)])]);
  assertEquals(deadLetters.map(({ message }) => message), [
    "it names a bulk file, which needs Kinesis and aws.s3-bulk-bucket",
    "expected the size and the key of a bulk file at byte 0",
  ]);
});

Deno.test("a batch is taken apart where its files would be too much for memory, without a gap", async () => {
  const large = new Uint8Array(40 * 1024 * 1024);
  const read: string[] = [];
  const records = [
    Uint8Array.of(0),
    reference("a"),
    reference("b"),
    Uint8Array.of(0, 1),
    reference("b"),
    reference("c"),
  ];
  const batch = batchOf(records, {
    start: "0",
    next: "99",
    positions: bytesColumn(["0", "1:0", "1:1", "2", "3", "4"]),
    keys: bytesColumn(["k0", null, "k2", null, "k4", "k5"]),
  });
  const parts = await partsOf(batch, storeOf({ a: large, b: large }, read));
  assertEquals(parts.map(({ start, next, rowCount, files }) => [start, next, rowCount, files?.map(({ key }) => key)]), [
    ["0", "1:1", 2, ["a"]],
    ["1:1", "2", 1, ["b"]],
    ["2", "4", 2, ["b"]],
    ["4", "99", 1, ["c"]],
  ]);
  assertEquals(read, ["a", "b", "b", "c"]);
  assertEquals(parts[0].keys, bytesColumn(["k0", null]));
  assertEquals(parts[2].bytes, Uint8Array.from([...records[3], ...records[4]]));
  assertEquals([...parts[2].offsets], [0, 2, 12]);
});
