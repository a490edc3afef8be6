import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import type { Gap } from "../../../src/records/gap.ts";
import { emptyBatch, gapBatch } from "../../../src/records/record_batch.ts";
import { Unit, unitName } from "../../../src/pipeline/unit.ts";
import { EMPTY_OUTPUT, fakeBatch } from "./fake_port.ts";

const range = (split: string, start: string, next: string, epoch = 1n) => ({ split, epoch, start, next });

Deno.test("unitName() depends on splits and positions, and not on epochs", () => {
  const ranges = [range("events/0", "100", "250"), range("events/1", "7", "9")];
  const name = unitName(ranges);
  assertMatch(name, /^events-0_000000000100_[0-9a-f]{16}$/);
  assertEquals(unitName(ranges.map((one) => ({ ...one, epoch: 9n }))), name);
  for (const other of [range("events/1", "8", "9"), range("events/1", "7", "10"), range("events/2", "7", "9")]) {
    assertNotEquals(unitName([ranges[0], other]), name);
  }
});

Deno.test("unitName() is safe as a file name, whatever the split is called", () => {
  const longest = "9".repeat(56) + ":" + "9".repeat(12);
  for (const split of ["../../etc/passwd/0", "a b/\u0000/é", `${"x".repeat(300)}/${"y".repeat(300)}`, "./.", "s/-1"]) {
    const name = unitName([range(split, longest, longest)]);
    assertMatch(name, /^[A-Za-z0-9-][A-Za-z0-9._-]{0,119}$/);
    assertFalse(name.includes(".."));
  }
});

Deno.test("Unit collects ranges and puts outputs into the order of their seals", () => {
  const unit = new Unit(1, 0);
  unit.add(fakeBatch("b/1", 0, { rowCount: 5 }));
  unit.add(fakeBatch("a/0", 7, { rowCount: 2 }));
  unit.add(fakeBatch("b/1", 5, { rowCount: 5 }));
  assertEquals(unit.ranges(), [range("a/0", "7", "9"), range("b/1", "0", "10")]);
  assertEquals([unit.recordCount, unit.recordByteLength], [12, 1200]);
  assert(unit.has("a/0"));
  assertFalse(unit.fits(fakeBatch("a/0", 9, { epoch: 2n })), "a split's range has one epoch");
  assert(unit.fits(fakeBatch("a/0", 9)));
  const outputs = [1, 2, 3].map((n) => ({ ...EMPTY_OUTPUT, pageByteLength: n }));
  unit.addOutput(3, outputs[2]);
  unit.addOutput(1, outputs[0]);
  unit.addOutput(2, outputs[1]);
  assertEquals(unit.heldByteLength, 6);
  unit.trigger = "age";
  assertEquals(unit.toSealed().outputs, outputs);
});

Deno.test("Unit keeps what is lost of its ranges, up to a bound", () => {
  const unit = new Unit(1, 0);
  unit.add(fakeBatch("a/0", 0, { rowCount: 5 }));
  const gapAt = (start: number, next: number, reason: Gap["reason"] = "expired"): Gap => ({
    ...{ reason, start: String(start), next: String(next), records: next - start },
  });
  for (const gap of [gapAt(5, 8), gapAt(8, 9), gapAt(9, 11, "skipped")]) {
    unit.add(gapBatch({ split: "a/0", epoch: 1n }, gap));
  }
  unit.add(fakeBatch("a/0", 11, { rowCount: 1 }));
  const [{ gaps, ...rest }] = unit.ranges();
  assertEquals(rest, range("a/0", "0", "12"));
  assertEquals(gaps, [gapAt(5, 9), gapAt(9, 11, "skipped")]);
  for (let i = 12; i < 1000; i += 2) unit.add(gapBatch({ split: "a/0", epoch: 1n }, gapAt(i + 1, i + 2)));
  const many = unit.ranges()[0].gaps!;
  assertEquals(many.length, 100);
  assertEquals([many.at(-1)!.next, many.reduce((sum, { records }) => sum + records!, 0)], ["1000", 6 + 494]);
});

Deno.test("Unit knows the size that its largest object will have", () => {
  const unit = new Unit(1, 0);
  const piece = (project: string, byteLength: number) => ({
    group: { project, collection: null, timeMs: null },
    bytes: new Uint8Array(byteLength),
    crc32: 0,
    rawByteLength: 0,
    rowCount: 0,
    tables: [],
    minEventTime: NaN,
    maxEventTime: NaN,
  });
  unit.addOutput(1, { ...EMPTY_OUTPUT, pieces: [piece("p", 10), piece("q", 15), piece("p", 10)] });
  assertEquals(unit.largestObjectByteLength, 20);
  assert(unit.heldByteLength > 3 * 500, "small pieces hold more than their bytes");
});

Deno.test("unitName() tells logs of one name apart, and leaves names as they were where there is but one", () => {
  const one = range("events/3", "0", "10");
  const logs = ["cluster-1/a", "cluster-1/b", "cluster-2/a"];
  const names = [one, ...logs.map((log) => ({ ...one, log }))]
    .map((range) => unitName([range]));
  assertEquals(new Set(names).size, 4);
  assertEquals(names[0], "events-3_000000000000_99a6dfa01feb44eb");
});

Deno.test("Unit takes one log of a split only", () => {
  const unit = new Unit(1, 0);
  const batch = { ...emptyBatch("events/3", "0", "10"), log: "a" };
  unit.add(batch);
  assertEquals([unit.fits({ ...batch, start: "10", next: "20" }), unit.fits({ ...batch, log: "b" })], [true, false]);
  assert(unit.fits(emptyBatch("events/3", "10", "10")), "a cut without rows is of any log");
  assertEquals(unit.ranges()[0].log, "a");
});
