/** A tiny run of the Kinesis bench: it goes on working. No times are looked at. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { benchRead, countCalls } from "./kinesis_bench.ts";

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
  assertEquals(GetItem, 0);
  assert(getRecords <= 4 * 60, `${getRecords} reads a minute`);
});
