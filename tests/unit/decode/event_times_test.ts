import { assertEquals } from "@std/assert";
import type { DecodeConfig } from "../../../src/decode/options.ts";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import { epochMsOf, type TimeUnit } from "../../../src/decode/times.ts";
import { linesOf } from "./avro/avro_harness.ts";
import { batchOf, configOf, decode } from "./harness.ts";

const NOW_S = 1_793_491_200; // 2026-11-01
const NOW_MS = NOW_S * 1000;

Deno.test("epochMsOf() reads numbers in the unit that the config says, auto by their size", () => {
  const cases: [number, TimeUnit, number][] = [
    [NOW_MS, "ms", NOW_MS],
    [NOW_MS + 0.9, "ms", NOW_MS],
    [NOW_S, "s", NOW_MS],
    [NOW_S + 0.5, "s", NOW_MS + 500],
    [NOW_MS * 1e3, "us", NOW_MS],
    [NOW_MS * 1e6, "ns", NOW_MS],
    [-1, "us", -1],
    [0, "ns", 0],
    [9e15, "ms", NaN],
    [9e12, "s", NaN],
    ...[1, 1e3, 1e6, 1e9].map((factor): [number, TimeUnit, number] => [NOW_S * factor, "auto", NOW_MS]),
    [-NOW_S, "auto", -NOW_MS],
    [1e11, "auto", 1e11],
  ];
  for (const [value, unit, expected] of cases) assertEquals(epochMsOf(value, unit), expected, `${value} ${unit}`);
});

Deno.test("a number in the time field is read in the unit of the config, and comes out as it was", () => {
  for (const [timeUnit, factor] of [["s", 1e-3], ["us", 1e3], ["ns", 1e6], ["auto", 1e-3], ["ms", 1]] as const) {
    const value = NOW_MS * factor;
    const { pages: [page] } = decode([`{"_time":${value},"a":1}`], { timeUnit, jsonLayout: "PLAIN" });
    assertEquals(page.eventTimes[0], NOW_MS, timeUnit);
    assertEquals(linesOf([page]), [`{"_time":${value},"a":1}`]);
  }
});

/** What a table's rows say of their event times. */
function odd(docs: readonly string[], config: Partial<DecodeConfig> = {}) {
  const buffer = new StreamBuffer(configOf({ jsonLayout: "PLAIN", ...config }));
  buffer.append(batchOf(docs));
  return buffer.seal().oddTimes.map(({ rows, untimed, fields, suspect }) => {
    return [untimed, rows, fields.join(), suspect === null ? "" : `${suspect.value} ${suspect.unit}`];
  });
}

Deno.test("rows without event time are counted, with the fields that may be meant", () => {
  assertEquals(odd([`{"_time":${NOW_MS}}`, `{"_time":"2026-11-01"}`]), []);
  assertEquals(odd(['{"timestamp":1,"@timestamp":2,"eventTime":3,"x":4}', '{"created_at":5}', '{"ts":6,"date":7}']), [
    [3, 3, "timestamp,@timestamp,eventTime,created_at,ts", ""],
  ]);
  assertEquals(odd([`{"_time":${NOW_MS}}`, '{"_time":null,"ts":1}', '{"_time":"soon"}']), [[2, 3, "ts", ""]]);
  assertEquals(odd([`{"ts":${NOW_MS}}`], { timeField: "ts" }), []);
});

Deno.test("numbers that are times of today in another unit are told, unless the config says the unit", () => {
  const units = [[NOW_S, "s"], [NOW_MS * 1e3, "us"], [NOW_MS * 1e6, "ns"]] as const;
  for (const [value, unit] of units) {
    const untimed = unit === "ns" ? 1 : 0;
    assertEquals(odd([`{"_time":${value}}`]), [[untimed, 1, "", `${value} ${unit}`]]);
    assertEquals(odd([`{"_time":${value}}`], { timeUnit: unit }), []);
    assertEquals(odd([`{"_time":${value}}`], { timeUnit: "auto" }), []);
  }
  assertEquals(odd(['{"_time":0}', '{"_time":-5}', '{"_time":86400000}']), [], "odd, and maybe right");
});
