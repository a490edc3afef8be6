import { assertEquals } from "@std/assert";
import { type PollLimit, positionText, type RecordBatch } from "../../../../src/records/record_batch.ts";
import type { StreamRecord } from "../../../../src/source/kinesis/aws/kinesis_api.ts";
import { RecordChunk } from "../../../../src/source/kinesis/shards/record_chunk.ts";
import type { Position } from "../../../../src/records/position.ts";
import { textAt } from "../../../support/batch_texts.ts";
import { aggregate } from "../../../support/kpl.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
/** TRIM_HORIZON. */
const BEGIN = "1";
const ALL: PollLimit = { maxBytes: 1 << 20, maxRows: 1000 };

function record(sequence: string, data: Uint8Array | string): StreamRecord {
  return { sequence, data: typeof data === "string" ? utf8(data) : data, partitionKey: `p${sequence}`, arrivalMs: 5 };
}

const user = (data: string, key = "k") => ({ key, data: utf8(data) });
const RECORDS = [
  record("100", "plain"),
  record("101", aggregate([user("a", "x"), user("b", "y"), user("c", "x")])),
  record("102", ""),
];

function chunk(records: readonly StreamRecord[], from = BEGIN, wantsKeys = false): RecordChunk {
  return new RecordChunk(records, { wantsKeys, maxRecordByteLength: 100, from });
}

/** [position, value] of each row. */
function rows(batch: RecordBatch): [string, string][] {
  return Array.from({ length: batch.rowCount }, (_, i) => [
    positionText(batch, i),
    textAt(batch, i),
  ]);
}

function takeAll(from: RecordChunk, limit: PollLimit): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let start = "1"; from.left > 0; start = batches.at(-1)!.next) {
    batches.push(from.take({ split: "s/shard", epoch: 1n, start }, limit));
  }
  return batches;
}

Deno.test("a chunk's rows are its records and the user records of its aggregates", () => {
  const [batch, ...others] = takeAll(chunk(RECORDS), ALL);
  assertEquals(others, []);
  assertEquals(rows(batch), [["100:0", "plain"], ["101:0", "a"], ["101:1", "b"], ["101:2", "c"], ["102:0", ""]]);
  assertEquals([batch.start, batch.next, [...batch.timestamps]], ["1", "102:1", [5, 5, 5, 5, 5]]);
});

Deno.test("a batch may end inside an aggregate, and reading may go on there", () => {
  const batches = takeAll(chunk(RECORDS), { maxBytes: 1 << 20, maxRows: 2 });
  assertEquals(batches.map(({ next }) => next), ["101:1", "101:3", "102:1"]);
  const rest = takeAll(chunk(RECORDS.slice(1), "101:1"), ALL);
  assertEquals(rest.flatMap(rows), [["101:1", "b"], ["101:2", "c"], ["102:0", ""]]);
});

Deno.test("a chunk leaves out what is processed, and nothing else", () => {
  const cases: [Position, number][] = [
    ["100:1", 4],
    ["100:0", 5],
    ["101:0", 4],
    ["101:2", 2],
    ["101:3", 1],
    ["102:0", 1],
    ["102:1", 0],
    ["99:1", 5],
  ];
  for (const [from, count] of cases) assertEquals(chunk(RECORDS, from).left, count, from);
});

Deno.test("a chunk keeps to the limits of rows and bytes, but gives one record at least", () => {
  const sizes = (limit: PollLimit) => takeAll(chunk(RECORDS), limit).map(({ rowCount }) => rowCount);
  assertEquals(sizes({ maxBytes: 1, maxRows: 10 }), [1, 1, 1, 2]);
  assertEquals(sizes({ maxBytes: 6, maxRows: 10 }), [2, 3]);
  assertEquals(sizes({ maxBytes: 100, maxRows: 1 }), [1, 1, 1, 1, 1]);
});

Deno.test("a chunk cuts what is longer than any record may be", () => {
  const long = chunk([record("1", "x".repeat(500)), record("2", aggregate([user("y".repeat(500))]))]);
  const batches = takeAll(long, { maxBytes: 1 << 20, maxRows: 1 });
  assertEquals(batches.flatMap(rows).map(([, value]) => value.length), [101, 101]);
  assertEquals(batches.map(({ cutRows }) => cutRows), [new Map([[0, 500]]), new Map([[0, 500]])]);
  assertEquals(takeAll(chunk([record("1", "x")]), ALL)[0].cutRows, undefined);
});

Deno.test("a chunk gives broken aggregates whole, and counts them", () => {
  const broken = aggregate([utf8("\x0fnonsense"), user("fine")]);
  const found = chunk([record("1", broken)]);
  assertEquals(found.brokenCount, 1);
  assertEquals(takeAll(found, ALL).flatMap(rows), [["1:0", "\x0fnonsense"], ["1:1", "fine"]]);
});

Deno.test("an aggregate without user records moves the position all the same", () => {
  const empty = chunk([record("7", aggregate([]))]);
  assertEquals([empty.left, empty.next], [0, "7:1"]);
  const batch = empty.take({ split: "s/shard", epoch: 1n, start: "6:1" }, ALL);
  assertEquals([batch.rowCount, batch.start, batch.next], [0, "6:1", "7:1"]);
  assertEquals(chunk([]).next, undefined);
});

Deno.test("a chunk gives the keys of records and of user records when they are wanted", () => {
  const [batch] = takeAll(chunk(RECORDS, BEGIN, true), ALL);
  const keys = Array.from({ length: 5 }, (_, i) => textAt(batch.keys!, i));
  assertEquals(keys, ["p100", "x", "y", "x", "p102"]);
  assertEquals(takeAll(chunk(RECORDS), ALL)[0].keys, null);
});
