import { assertEquals } from "@std/assert";
import { parseInstant } from "../../../src/decode/times.ts";
import { decode, exactRows, typesOf } from "./harness.ts";

const DAY = Date.UTC(2026, 10, 1);

const INSTANTS: readonly (readonly [string, number])[] = [
  ["2026-11-01", DAY],
  ["20261101", DAY],
  ["+002026-11-01", DAY],
  ["-000001-01-01", Date.UTC(-1, 0, 1)],
  ["2026-11-01T12", DAY + 12 * 3_600_000],
  ["2026-11-01T12:30", DAY + 12.5 * 3_600_000],
  ["2026-11-01T12:30:59", DAY + 45_059_000],
  ["2026-11-01 12:30:59", DAY + 45_059_000],
  ["2026-11-01t12:30:59z", DAY + 45_059_000],
  ["20261101T123059Z", DAY + 45_059_000],
  ["20261101T1230Z", DAY + 12.5 * 3_600_000],
  ["2026-11-01T12:30:59.1Z", DAY + 45_059_100],
  ["2026-11-01T12:30:59,12Z", DAY + 45_059_120],
  ["2026-11-01T12:30:59.123456789Z", DAY + 45_059_123],
  ["2026-11-01T00:00:00+03", DAY - 3 * 3_600_000],
  ["2026-11-01T00:00:00+0330", DAY - 3.5 * 3_600_000],
  ["2026-11-01T00:00:00-03:30", DAY + 3.5 * 3_600_000],
  ["2026-11-01T00:00:00-00:00", DAY],
  ["2026-11-01T24:00:00Z", DAY + 86_400_000],
  ["2026-10-31T23:59:60Z", DAY],
  ["2026-11-01T24:00:01Z", NaN],
  ["2026-11-01T25:00:00Z", NaN],
  ["2026-11-01T12:60:00Z", NaN],
  ["2026-11-01T12:30:61Z", NaN],
  ["2026-11-01T12:30:59.Z", NaN],
  ["2026-11-01T12:30:59+24:00", NaN],
  ["2026-11-01T12:30:59+03:60", NaN],
  ["2026-11-01T", NaN],
  ["2026-11-01X12:30", NaN],
  ["2026-11-01T12:30:59 Z", NaN],
  ["2026-11-01T12:30:59Zx", NaN],
  ["2026-11-31", NaN],
  ["2026-02-29", NaN],
  ["2026-1-1", NaN],
  ["2026-1101", NaN],
  ["1793491200000", NaN],
  ["yesterday", NaN],
  ["", NaN],
];

for (const [text, expected] of INSTANTS) {
  Deno.test(`parseInstant() reads "${text}"`, () => {
    const bytes = new TextEncoder().encode(`"${text}"`);
    assertEquals(parseInstant(bytes, 1, bytes.length - 1), expected);
  });
}

/** Values of the time field one after the other, the column's type, and the rows' event times. */
const TIME_COLUMNS: readonly (readonly [readonly string[], string, readonly number[]])[] = [
  [["1793491200000", "0", "-5"], "TIMESTAMP EPOCH_MS", [DAY, 0, -5]],
  [["1.7934912e12", "5.0"], "TIMESTAMP EPOCH_MS", [DAY, 5]],
  [["1793491200000", "null"], "TIMESTAMP EPOCH_MS", [DAY, NaN]],
  [["1793491200000", "1793491200000.5"], "DOUBLE", [DAY, DAY]],
  [["1793491200000", "9007199254740993"], "BIGINT", [DAY, NaN]],
  [["8640000000000000", "8640000000000001"], "BIGINT", [8.64e15, NaN]],
  [["1793491200000", '"2026-11-01"'], "JSON", [DAY, DAY]],
  [["1793491200000", "-0"], "DOUBLE", [DAY, 0]],
  [['"2026-11-01T00:00:00.000Z"'], "TIMESTAMP ISO_MS", [DAY]],
  [['"2026-11-01T00:00:00Z"'], "TIMESTAMP ISO_S", [DAY]],
  [['"2026-11-01T00:00:00.001999Z"'], "TIMESTAMP ISO_US", [DAY + 1]],
  [['"1969-12-31T23:59:59.999999Z"'], "TIMESTAMP ISO_US", [-1]],
  [['"2026-11-01"'], "DATE", [DAY]],
  [['"2026-11-01T03:00:00+03:00"', '"2026-11-01 00:00"'], "VARCHAR", [DAY, DAY]],
  [['"2026-11-01T03:00:00\\u002b03:00"'], "VARCHAR", [DAY]],
  [['"x"', "true", "[1]", '{"a":1}'], "JSON", [NaN, NaN, NaN, NaN]],
];

for (const [values, type, eventTimes] of TIME_COLUMNS) {
  Deno.test(`a time field of ${values.join(", ")} is kept as ${type}`, () => {
    const docs = values.map((value) => `{"a":0,"_time":${value}}`);
    const { pages: [page] } = decode([...docs, '{"a":1}'], { jsonLayout: "PLAIN" });
    assertEquals(typesOf(page)._time, type);
    assertEquals([...page.eventTimes.subarray(0, page.positionCount)], [...eventTimes, NaN]);
    assertEquals(page.columns[page.timeColumn].name, "_time");
    assertEquals(exactRows(page).length, values.length + 1);
  });
}

Deno.test("the first of several time fields counts", () => {
  const { pages: [page] } = decode(['{"_time":1000,"_time":2000}', '{"_time":null,"_time":2000}'], {
    jsonLayout: "PLAIN",
  });
  assertEquals([...page.eventTimes.subarray(0, 2)], [1000, NaN]);
});

Deno.test("a page without a time has no time column", () => {
  const { pages: [page] } = decode(['{"a":1,"_time":null}'], { jsonLayout: "PLAIN" });
  assertEquals(page.timeColumn, -1);
  assertEquals(page.userColumn, -1);
});

Deno.test("the time and the user may have other names, in lower case for FABRIC", () => {
  const fields = { timeField: "When", userField: "Who" };
  const plain = decode(['{"When":1000,"Who":5,"when":7}'], { ...fields, jsonLayout: "PLAIN" }).pages[0];
  assertEquals([plain.eventTimes[0], plain.timeColumn, plain.userColumn], [1000, 0, 1]);
  assertEquals(typesOf(plain), { When: "TIMESTAMP EPOCH_MS", Who: "VARCHAR", when: "TIMESTAMP EPOCH_MS" });
  const fabric = decode(['{"data":{"_project":"p","_collection":"c","WHEN":1000,"who":5}}'], fields).pages[0];
  assertEquals([fabric.eventTimes[0], fabric.timeColumn, fabric.userColumn], [1000, 0, 1]);
});
