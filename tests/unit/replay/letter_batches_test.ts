import { assertEquals } from "@std/assert";
import { positionText, type RecordBatch } from "../../../src/records/record_batch.ts";
import { letterBatches, parseLetter } from "../../../src/replay/letter_batches.ts";
import { textsOf } from "../../support/batch_texts.ts";

function line(fields: Record<string, unknown>): string {
  return JSON.stringify({
    split: "events/3",
    position: "17",
    timestamp: 5,
    project: null,
    collection: null,
    code: "malformed-json",
    message: "x",
    key: null,
    payload: btoa("{}"),
    ...fields,
  });
}

const LINES: readonly (readonly [string, string, boolean])[] = [
  ["a letter", line({}), true],
  ["a record without bytes", line({ payload: "" }), true],
  ["one that can't be decoded on its own", line({ redrivable: false }), false],
  ["a record that was too large", line({ code: "too-large", byteLength: 2 }), true],
  ["the beginning of one", line({ code: "too-large", byteLength: 3, cut: true, redrivable: false }), false],
  ["one of a collector that didn't say what it kept", line({ code: "too-large" }), false],
  ["a line that was cut off", line({}).slice(0, -2), false],
  ["something else", '{"a":1}', false],
  ["no object", "null", false],
  ["no payload", line({ payload: null }), false],
];

for (const [what, text, usable] of LINES) {
  Deno.test(`parseLetter ${usable ? "reads" : "leaves alone"} ${what}`, () => {
    assertEquals(parseLetter(text) !== null, usable);
  });
}

function batches(lines: readonly string[], alone = false): RecordBatch[] {
  const positions = lines.map((_, i) => String(10 * i + 5));
  const letters = lines.map(parseLetter);
  return letterBatches({ split: "d/x", start: "0", next: "100", letters, positions }, { alone });
}

function shape(batch: RecordBatch): unknown[] {
  return [batch.origin, batch.start, batch.next, textsOf(batch)];
}

Deno.test("letterBatches gives records back as they were first read", () => {
  const key = Uint8Array.of(1, 255), headers = { a: "b", list: ["c"] };
  const [batch] = batches([
    line({ key: key.toBase64(), headers, position: "4957:3" }),
    line({ position: "4957:4", timestamp: null, payload: Uint8Array.of(0, 254).toBase64() }),
  ]);
  assertEquals([batch.split, batch.origin, batch.epoch, batch.rowCount], ["d/x", "events/3", 1n, 2]);
  assertEquals([...batch.timestamps], [5, NaN]);
  assertEquals([positionText(batch, 0), positionText(batch, 1)], ["4957:3", "4957:4"]);
  assertEquals([...batch.bytes.subarray(batch.offsets[1])], [0, 254]);
  assertEquals([...batch.keys!.bytes], [...key]);
  assertEquals([...batch.keys!.nulls!], [0b10]);
  assertEquals(JSON.parse(new TextDecoder().decode(batch.headers!.bytes)), headers);
  assertEquals([...batch.headers!.nulls!], [0b10]);
});

Deno.test("letterBatches makes a batch of each run with one origin and schema, and covers every line", () => {
  const found = batches([
    line({ redrivable: false }),
    line({ payload: btoa("a") }),
    line({ payload: btoa("b") }),
    "cut off",
    line({ payload: btoa("c") }),
    line({ payload: btoa("d"), split: "events/4" }),
    line({ payload: btoa("e"), split: "events/4", writerSchema: "int" }),
    line({ payload: btoa("f"), split: "events/4", writerSchema: "int", blockCodec: "null" }),
    line({ redrivable: false }),
  ]);
  assertEquals(found.map(shape), [
    ["events/3", "0", "55", ["a", "b", "c"]],
    ["events/4", "55", "65", ["d"]],
    ["events/4", "65", "75", ["e"]],
    ["events/4", "75", "100", ["f"]],
  ]);
  assertEquals(found.map(({ writerSchema, blockCodec }) => [writerSchema, blockCodec]), [
    [undefined, undefined],
    [undefined, undefined],
    ["int", undefined],
    ["int", "null"],
  ]);
});

Deno.test("letterBatches covers lines none of which can be tried again with an empty batch", () => {
  assertEquals(batches(["x", line({ redrivable: false })]).map(shape), [[undefined, "0", "100", []]]);
});

Deno.test("letterBatches gives records that may name files a batch each", () => {
  const found = batches([line({ payload: btoa("a") }), "x", line({ payload: btoa("b") })], true);
  assertEquals(found.map(shape), [["events/3", "0", "25", ["a"]], ["events/3", "25", "100", ["b"]]]);
});
