import { assertEquals } from "@std/assert";
import { formatBytes, formatCount, formatSeconds, perSecond } from "../../../src/runtime/format.ts";

Deno.test("formatBytes() writes three digits and a unit", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [0.4, "0 B"],
    [999, "999 B"],
    [1000, "0.977 kB"],
    [1024, "1 kB"],
    [1536, "1.5 kB"],
    [999 * 1024, "999 kB"],
    [1000 * 1024, "0.977 MB"],
    [12.9 * 2 ** 20, "12.9 MB"],
    [123.4 * 2 ** 20, "123 MB"],
    [2 ** 30, "1 GB"],
    [5000 * 2 ** 50, "5000 PB"],
  ];
  for (const [value, text] of cases) assertEquals(formatBytes(value), text);
});

Deno.test("formatSeconds() writes the two largest units", () => {
  const cases: [number, string][] = [
    [-1, "0s"],
    [0, "0s"],
    [12, "0.012s"],
    [1234, "1.23s"],
    [59_900, "59.9s"],
    [59_999, "1m 0s"],
    [65_400, "1m 5s"],
    [3_600_000, "1h 0m"],
    [90_061_000, "1d 1h"],
  ];
  for (const [value, text] of cases) assertEquals(formatSeconds(value), text);
});

Deno.test("formatCount() groups digits, perSecond() survives an empty interval", () => {
  assertEquals([formatCount(0), formatCount(999), formatCount(1234567.4)], ["0", "999", "1,234,567"]);
  assertEquals([perSecond(10, 500), perSecond(10, 0)], [20, 0]);
});
