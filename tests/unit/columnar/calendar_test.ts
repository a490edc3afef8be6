import { assertEquals } from "@std/assert";
import {
  DAY_MS,
  daysFromCivil,
  daysInMonth,
  MAX_DAY,
  MIN_DAY,
  writeDate,
  writeIsoTimestamp,
} from "../../../src/columnar/calendar.ts";

const decoder = new TextDecoder();

function dateText(days: number): string {
  const bytes = new Uint8Array(10);
  assertEquals(writeDate(bytes, 0, days), 10);
  return decoder.decode(bytes);
}

Deno.test("dates agree with Date over all years of four digits", () => {
  for (let days = MIN_DAY; days <= MAX_DAY; days += 13) {
    const date = new Date(days * DAY_MS);
    assertEquals(dateText(days), date.toISOString().slice(0, 10));
    assertEquals(daysFromCivil(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()), days);
  }
  assertEquals([dateText(MIN_DAY), dateText(MAX_DAY)], ["0000-01-01", "9999-12-31"]);
});

Deno.test("daysInMonth() knows leap years", () => {
  for (const year of [1900, 2000, 2023, 2024, 2100, 2400]) {
    for (let month = 1; month <= 12; month++) {
      assertEquals(daysInMonth(year, month), new Date(Date.UTC(year, month, 0)).getUTCDate());
    }
  }
});

Deno.test("writeIsoTimestamp() writes each form", () => {
  const write = (value: number, form: "ISO_S" | "ISO_MS" | "ISO_US") => {
    const bytes = new Uint8Array(32);
    return decoder.decode(bytes.subarray(0, writeIsoTimestamp(bytes, 0, value, form)));
  };
  assertEquals(write(0, "ISO_S"), "1970-01-01T00:00:00Z");
  assertEquals(write(-1, "ISO_MS"), "1969-12-31T23:59:59.999Z");
  assertEquals(write(-1, "ISO_US"), "1969-12-31T23:59:59.999999Z");
  assertEquals(write(1_793_534_645_006_007, "ISO_US"), "2026-11-01T12:04:05.006007Z");
  for (let value = -62_167_219_200_000; value < 253_402_300_800_000; value += 7_654_321_098_765) {
    assertEquals(write(value, "ISO_MS"), new Date(value).toISOString());
  }
});
