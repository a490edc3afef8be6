import { assertEquals } from "@std/assert";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import { ReplaceSource, type StoredUnit } from "../../../src/replay/replace_source.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { fakePlan, FakeRanges, type FakeSplit } from "./fake_ranges.ts";

const SIGNAL = new AbortController().signal;
const LIMIT = { maxBytes: 25, maxRows: 3 };

/** What the units come out as: each batch with its range and rows, "|" where a unit ends. */
async function read(splits: readonly FakeSplit[], units: readonly StoredUnit[], seed: number) {
  const assigned: string[] = [];
  let opened = 0, closed = 0;
  const source = new ReplaceSource({
    units,
    known: new Map(fakePlan(splits).map((planned) => [planned.split, planned])),
    ranges: () => {
      opened++;
      const ranges = new FakeRanges(splits, new SeededRandom(seed));
      const close = ranges.close.bind(ranges);
      ranges.close = () => (closed++, close());
      return ranges;
    },
  });
  await source.open({
    assigned: (split, epoch, start) => Promise.resolve(void assigned.push(`${split} ${epoch} ${start}`)),
    revoking: () => Promise.resolve(),
    lost: () => {},
  });
  const found: { split: string; start: string; next: string; rows: number; unit: number }[] = [];
  for (let unit = 0;;) {
    const batch: RecordBatch | "end" = await source.poll(LIMIT, SIGNAL);
    if (batch === "end") break;
    assertEquals(batch.epoch, BigInt(unit + 1));
    const last = found.at(-1);
    if (last?.split === batch.split && last.unit === unit) {
      assertEquals(batch.start, last.next, "without a gap");
      last.next = batch.next;
      last.rows += batch.rowCount;
    } else found.push({ split: batch.split, start: batch.start, next: batch.next, rows: batch.rowCount, unit });
    if (batch.cut !== "unit") continue;
    for (const { split } of units[unit].ranges) await source.commit(split);
    unit++;
  }
  await source.close();
  assertEquals(opened, closed);
  return { found, assigned };
}

Deno.test("units come out with exactly the ranges that they have, however they are fetched", async () => {
  const records = Array.from({ length: 40 }, (_, i) => i % 7 === 3 ? "gap" as const : 10);
  const splits = ["t/0", "t/1"].map((split) => ({ split, records, openEnd: true }));
  const range = (split: string, start: number, next: number) => ({ split, start: String(start), next: String(next) });
  const units = [
    { name: "u1", ranges: [range("t/0", 5, 17), range("t/1", 0, 3)] },
    { name: "u2", ranges: [range("t/0", 17, 18), range("t/1", 10, 10)] },
    { name: "u3", ranges: [range("t/1", 30, 40)] },
  ];
  const rows = (start: number, next: number) => records.slice(start, next).filter((one) => one !== "gap").length;
  for (let seed = 1; seed <= 20; seed++) {
    const { found, assigned } = await read(splits, units, seed);
    const expected = units.flatMap(({ ranges }, unit) =>
      ranges.map((one) => ({ ...one, rows: rows(Number(one.start), Number(one.next)), unit }))
    );
    assertEquals(found, expected);
    assertEquals(assigned, ["t/0 1 5", "t/1 1 0", "t/0 2 17", "t/1 2 10", "t/1 3 30"]);
  }
});
