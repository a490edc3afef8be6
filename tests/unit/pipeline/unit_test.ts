import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
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
