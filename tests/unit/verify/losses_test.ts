import { assertEquals } from "@std/assert";
import { HOUR_MS, Losses, spanOf } from "../../../src/verify/losses.ts";
import type { AuditedRange } from "../../../src/verify/parse_manifest.ts";

function range(records: number, minTimestamp: number, maxTimestamp: number): AuditedRange {
  return {
    split: "a/0",
    start: "0",
    next: "1",
    records,
    rows: records,
    deadLetters: 0,
    dropped: 0,
    minTimestamp,
    maxTimestamp,
    gaps: [],
    log: "",
  };
}

Deno.test("spanOf() is when the records of all ranges arrived, unknown when it is of one of them", () => {
  const cases: [AuditedRange[], number, number][] = [
    [[range(1, 5, 7)], 5, 7],
    [[range(1, 5, 7), range(2, 3, 6), range(1, 9, 9)], 3, 9],
    [[range(1, 5, 7), range(0, NaN, NaN)], 5, 7],
    [[range(0, NaN, NaN)], NaN, NaN],
    [[range(1, 5, 7), range(1, NaN, NaN)], NaN, NaN],
    [[range(1, NaN, NaN), range(1, 5, 7)], NaN, NaN],
  ];
  for (const [ranges, minTimestamp, maxTimestamp] of cases) {
    assertEquals(spanOf(ranges), { minTimestamp, maxTimestamp });
  }
});

Deno.test("losses are of the hours that they touch; of all hours when nobody knows which", () => {
  const lost = (minTimestamp: number, maxTimestamp: number) => {
    const losses = new Losses();
    losses.add({ minTimestamp, maxTimestamp });
    return [-1, 0, 1, 2, 3, 1e6].filter((hour) => losses.has(hour));
  };
  assertEquals(lost(0, 0), [0]);
  assertEquals(lost(-1, 0), [-1, 0]);
  assertEquals(lost(HOUR_MS - 1, 2 * HOUR_MS), [0, 1, 2]);
  assertEquals(lost(0, 367 * 24 * HOUR_MS), [-1, 0, 1, 2, 3, 1e6]);
  assertEquals(lost(NaN, NaN), [-1, 0, 1, 2, 3, 1e6]);
});
