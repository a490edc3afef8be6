import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../../../src/runtime/errors.ts";
import { type DecodeConfig, METADATA_COLUMNS } from "../../../src/decode/options.ts";
import { batchOf, bytesColumn, decode, exactRows, typesOf } from "./harness.ts";
import { type Exact, parseExact } from "./exact_json.ts";

function exact(values: Record<string, string>): Map<string, Exact> {
  return new Map(Object.entries(values).map(([name, text]) => [name, parseExact(text)]));
}

const ALL: Partial<DecodeConfig> = { metadataColumns: METADATA_COLUMNS, jsonLayout: "PLAIN" };

Deno.test("metadata columns hold what is known besides the record", () => {
  const batch = batchOf(['{"a":1}', '{"a":2}', '{"a":3}'], {
    split: "shop.events/12",
    positions: BigInt64Array.of(7n, 8n, 9_223_372_036_854_775_807n),
    timestamps: Float64Array.of(Date.UTC(2026, 10, 1), NaN, 1e300),
    keys: bytesColumn(['k"é', null, Uint8Array.of(0xff, 0x00)]),
    headers: bytesColumn(['{"h":"x"}', null, '{ "h" : [ 1 ] }']),
  });
  const { pages: [page] } = decode(batch, ALL);
  assertEquals(typesOf(page), {
    a: "INTEGER",
    _topic: "VARCHAR",
    _stream: "VARCHAR",
    _partition: "INTEGER",
    _shard: "INTEGER",
    _position: "BIGINT",
    _timestamp: "TIMESTAMP ISO_MS",
    _key: "VARCHAR",
    _headers: "JSON",
  });
  const same = { _topic: '"shop.events"', _stream: '"shop.events"', _partition: "12", _shard: "12" };
  assertEquals(exactRows(page), [
    exact({
      a: "1",
      ...same,
      _position: "7",
      _timestamp: '"2026-11-01T00:00:00.000Z"',
      _key: '"k\\"é"',
      _headers: '{"h":"x"}',
    }),
    exact({ a: "2", ...same, _position: "8" }),
    exact({ a: "3", ...same, _position: "9223372036854775807", _key: '"/wA="', _headers: '{"h":[1]}' }),
  ]);
});

Deno.test("shards and positions of Kinesis are texts", () => {
  const batch = batchOf(["{}"], {
    split: "clicks/shardId-000000000001",
    positions: bytesColumn(["49578481031144599192696750682534686652010819674221576194:3"]),
  });
  const { pages: [page] } = decode(batch, { ...ALL, metadataColumns: ["stream", "shard", "position"] });
  assertEquals(exactRows(page), [exact({
    _stream: '"clicks"',
    _shard: '"shardId-000000000001"',
    _position: '"49578481031144599192696750682534686652010819674221576194:3"',
  })]);
});

Deno.test("a field of the record is kept in place of metadata and arrival time of the same name", () => {
  const docs = ['{"_position":"mine","_arrived":5}', "{}", '{"_position":null,"_arrived":null}'];
  const { pages: [page] } = decode(docs, { ...ALL, metadataColumns: ["position"], arrivalField: "_arrived" });
  assertEquals(exactRows(page), [
    exact({ _position: '"mine"', _arrived: "5" }),
    exact({ _position: "1", _arrived: '"2026-11-01T00:00:01.000Z"' }),
    exact({}),
  ]);
});

Deno.test("the arrival time is a column unless it is none", () => {
  const page = decode(['{"a":1}'], { arrivalField: "_shard_time" }).pages[0];
  assertEquals(typesOf(page), { a: "INTEGER", _shard_time: "TIMESTAMP ISO_MS" });
  assertEquals([...page.arrivalTimes.subarray(0, 1)], [Date.UTC(2026, 10, 1)]);
  assertEquals(typesOf(decode(['{"a":1}'], { arrivalField: "None" }).pages[0]), { a: "INTEGER" });
});

Deno.test("a record's own arrival time is dropped in FABRIC, and kept elsewhere", () => {
  const fabric = '{"data":{"_project":"p","_collection":"c","_Shard_Time":"mine"}}';
  const fields = { arrivalField: "_shard_time" };
  assertEquals(exactRows(decode([fabric], fields).pages[0]), [exact({ _shard_time: '"2026-11-01T00:00:00.000Z"' })]);
  const rakam = '{"project":"p","collection":"c","properties":{"_shard_time":"mine"}}';
  assertEquals(exactRows(decode([rakam], fields).pages[0]), [exact({ _shard_time: '"mine"' })]);
});

Deno.test("columns of our own come on top of columns.max-count", () => {
  const { pages: [page], deadLetters } = decode(['{"a":1,"b":2}', '{"a":1,"c":2}'], {
    ...ALL,
    metadataColumns: ["position", "topic"],
    arrivalField: "_shard_time",
    maxColumns: 2,
  });
  assertEquals(page.columns.map(({ name }) => name), ["a", "b", "_shard_time", "_position", "_topic"]);
  assertEquals(deadLetters.map(({ code }) => code), ["too-many-columns"]);
});

Deno.test("metadata stays exact in columns that records have widened", () => {
  const docs = ['{"_topic":5,"_partition":"x","_position":0.5,"_key":[1],"_timestamp":true}', "{}"];
  const { pages: [page] } = decode(batchOf(docs, { keys: bytesColumn(["k", "2026-11-01"]) }), ALL);
  assertEquals(
    exactRows(page)[1],
    exact({
      _topic: '"events"',
      _stream: '"events"',
      _partition: "0",
      _shard: "0",
      _position: "1",
      _key: '"2026-11-01"',
      _timestamp: '"2026-11-01T00:00:01.000Z"',
    }),
  );
});

Deno.test("headers that are not JSON are a mistake of the source", () => {
  const batch = batchOf(["{}"], { headers: bytesColumn(["{"]) });
  assertThrows(() => decode(batch, ALL), InvariantError, "headers of events/0");
});
