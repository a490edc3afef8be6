/** A tiny run of the Kinesis bench: it goes on working. No times are looked at. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { benchRead, countCalls, measureReadAhead } from "./kinesis_bench.ts";

for (const perAggregate of [1, 10]) {
  Deno.test(`the Kinesis bench reads every record with ${perAggregate} in each`, async () => {
    const { records, byteLength } = await benchRead(100, perAggregate, 1);
    assertEquals([records, byteLength], [100, 42_900]);
  });
}

Deno.test("a worker asks no more of the services than its timings say", async () => {
  const { UpdateItem, Scan, GetItem = 0, getRecords } = await countCalls(4, 2);
  // Each shard: a renewal every 9,975 ms and a checkpoint a minute; the table: looked at for leases and for shards.
  assertLessOrEqual(UpdateItem, 4 * (7 + 1));
  assertLessOrEqual(Scan, 3);
  assertLessOrEqual(GetItem, 1); // whether a fleet of KCL 3 assigns
  assert(getRecords <= 4 * 60, `${getRecords} reads a minute`);
});

Deno.test("three hundred full shards are read ahead within the bytes for that", async () => {
  const { maxByteLength } = await measureReadAhead(300, { recordCount: 40, recordByteLength: 50_000 });
  assertLessOrEqual(maxByteLength, 32 << 20);
  // Where first pages have more than anybody expects (2 MB, not 1), each of the first 32 goes beyond its share.
  const large = await measureReadAhead(300, { recordCount: 40, recordByteLength: 200_000 });
  assertLessOrEqual(large.maxByteLength, 64 << 20);
});
