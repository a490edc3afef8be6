/** Records become dead letters under one config, and rows under another: nothing that rows are made of is lost between. */
import { assert, assertEquals } from "@std/assert";
import type { DecodeConfig } from "../../../src/decode/options.ts";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import { letterBatches, parseLetter } from "../../../src/replay/letter_batches.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import { encodeDatums, linesOf } from "../decode/avro/avro_harness.ts";
import { batchOf, bytesColumn, configOf, type Decoded, sealed } from "../decode/harness.ts";

function decode(batches: readonly RecordBatch[], config: Partial<DecodeConfig>): Decoded {
  const buffer = new StreamBuffer(configOf(config));
  for (const batch of batches) buffer.append(batch);
  return sealed(buffer);
}

/** The letters' records, as a redrive reads them. */
function redriven({ deadLetters }: Decoded): RecordBatch[] {
  const letters = deadLetters.map((line) => parseLetter(JSON.stringify(line)));
  const positions = letters.map((_, i) => String(i));
  return letterBatches({ split: "letters/a", start: "0", next: String(letters.length), letters, positions }, {
    alone: false,
  });
}

const TYPE = JSON.parse(
  '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}',
);
const SCHEMA = JSON.stringify(TYPE);

/** A block of an object container file, not compressed. */
function block(datums: readonly Uint8Array[], count = datums.length): Uint8Array {
  const byteLength = datums.reduce((sum, { length }) => sum + length, 0);
  assert(count < 64 && byteLength < 64);
  return Uint8Array.of(2 * count, 2 * byteLength, ...datums.flatMap((datum) => [...datum]));
}

Deno.test("a JSON letter becomes the row that its record would have been, with all that is known of it", () => {
  const metadataColumns: DecodeConfig["metadataColumns"] = [
    "topic",
    "partition",
    "position",
    "timestamp",
    "key",
    "headers",
  ];
  const batch = () =>
    batchOf(['{"a":1}', '{"a":"ü"}'], {
      split: "shop.orders/7",
      keys: bytesColumn(["k", null]),
      headers: bytesColumn([null, '{"trace":"x y","n":["1","2"]}']),
    });
  const right: Partial<DecodeConfig> = { jsonLayout: "PLAIN", metadataColumns, arrivalField: "_shard_time" };
  const wrong = decode([batch()], { ...right, jsonLayout: "FABRIC" });
  assertEquals(wrong.deadLetters.length, 2);
  const found = decode(redriven(wrong), right);
  assertEquals(found.deadLetters, []);
  assertEquals(linesOf(found.pages), linesOf(decode([batch()], right).pages));
  assertEquals(found.pages.map(({ table }) => table.collection), ["shop.orders"]);
});

Deno.test("a record that was too large becomes a row where more is allowed, and never a half of one", () => {
  const docs = ['{"a":"1234567890"}', '{"a":"12345678901234567890"}'];
  const cut = batchOf([docs[0], docs[1].slice(0, 20)]);
  const small = decode([{ ...cut, cutRows: new Map([[1, docs[1].length]]) }], { maxRecordByteLength: 10 });
  assertEquals(small.deadLetters.map(({ byteLength, cut, redrivable }) => [byteLength, cut, redrivable]), [
    [docs[0].length, undefined, undefined],
    [docs[1].length, true, false],
  ]);
  assertEquals(
    small.deadLetters[1].message,
    "the record has more than 10 bytes; only 20 of its 28 bytes are kept (dead-letter.max-record-size)",
  );
  const found = decode(redriven(small), { jsonLayout: "PLAIN" });
  assertEquals([found.deadLetters, linesOf(found.pages)], [[], [docs[0]]]);
});

Deno.test("a letter that is rejected again says what it said at first", () => {
  const first = decode([batchOf(['{"a":', "{}"], { split: "events/3" })], { jsonLayout: "PLAIN" });
  assertEquals(decode(redriven(first), { jsonLayout: "PLAIN" }).deadLetters, first.deadLetters);
});

Deno.test("a letter of a record inside of a container file is decoded with that file's schema", () => {
  const values = [{ a: 1, b: "x" }, { a: 2, b: "y" }];
  const batch = () => batchOf([block(encodeDatums(TYPE, values))], { writerSchema: SCHEMA, blockCodec: "null" });
  const wrong = decode([batch()], { maxColumns: 1 });
  assertEquals(wrong.deadLetters.map(({ code }) => code), ["too-many-columns", "too-many-columns"]);
  const found = decode(redriven(wrong), {});
  assertEquals(linesOf(found.pages), ['{"a":1,"b":"x"}', '{"a":2,"b":"y"}']);
});

Deno.test("a letter of a whole block is read as a block of its file again", () => {
  const bytes = block(encodeDatums(TYPE, [{ a: 1, b: "x" }]));
  const wrong = decode([batchOf([bytes], { writerSchema: "not a schema", blockCodec: "null" })], {});
  assertEquals(wrong.deadLetters.length, 1);
  const [batch] = redriven(wrong);
  assertEquals([batch.writerSchema, batch.blockCodec, [...batch.bytes]], ["not a schema", "null", [...bytes]]);
});

Deno.test("a letter of a block of which rows were written is never tried again", () => {
  const [first] = encodeDatums(TYPE, [{ a: 1, b: "x" }]);
  const broken = block([first, Uint8Array.of(2, 200)], 2);
  const found = decode([batchOf([broken], { writerSchema: SCHEMA, blockCodec: "null" })], {});
  assertEquals(linesOf(found.pages), ['{"a":1,"b":"x"}']);
  assertEquals(found.deadLetters.map(({ code }) => code), ["malformed-avro"]);
  assertEquals(redriven(found).map(({ rowCount, next }) => [rowCount, next]), [[0, "1"]]);
});
