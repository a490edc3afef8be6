import { assertEquals } from "@std/assert";
import type { StreamRecord } from "../../../../src/source/kinesis/aws/kinesis_api.ts";
import { TimeBound } from "../../../../src/source/kinesis/shards/time_bound.ts";

const BOUND = new TimeBound(1000, 50);

function page(arrivals: readonly number[], behindLatestMs = 0) {
  const records = arrivals.map((arrivalMs, i): StreamRecord => ({
    sequence: String(i),
    data: new Uint8Array(0),
    partitionKey: "k",
    arrivalMs,
  }));
  return { records, nextIterator: "next", behindLatestMs };
}

Deno.test("a bound ends a page before its first record that arrived then or later", () => {
  const cases: [number[], number, boolean][] = [
    [[998, 999], 2, false],
    [[998, 999, 1000, 1001], 2, true],
    [[1000], 0, true],
    [[1500, 900], 0, true],
    [[999, 1001, 998], 1, true],
    [[NaN, 999, NaN], 3, false],
  ];
  for (const [arrivals, count, reached] of cases) {
    const cut = BOUND.cut(page(arrivals), 5000);
    assertEquals([cut.records.length, cut.reached], [count, reached], arrivals.join());
  }
});

Deno.test("a bound is reached at the tip, by a read that began late enough", () => {
  const cases: [number, number, boolean][] = [[1050, 0, true], [1049, 0, false], [5000, 1, false], [0, 0, false]];
  for (const [askedMs, behindMs, reached] of cases) {
    assertEquals(BOUND.cut(page([], behindMs), askedMs).reached, reached, `${askedMs} ${behindMs}`);
  }
});
