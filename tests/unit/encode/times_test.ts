import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { OutputBuffer } from "../../../src/encode/output_buffer.ts";
import {
  MAX_DATE_BYTES,
  MAX_TIMESTAMP_BYTES,
  writeDate,
  writeEpochMs,
  writeIsoTime,
} from "../../../src/encode/times.ts";

function written(write: (out: OutputBuffer) => number): string {
  const out = new OutputBuffer(64);
  out.length = write(out);
  return new TextDecoder().decode(out.written());
}

const iso = (value: number, form: "ISO_S" | "ISO_MS" | "ISO_US") => written((out) => writeIsoTime(out, 0, value, form));
const DAY_MS = 86_400_000;

Deno.test("writeIsoTime() prints the digits of its form", () => {
  const epochMs = Date.UTC(2026, 10, 1, 7, 8, 9, 45);
  assertEquals(iso(epochMs - 45, "ISO_S"), '"2026-11-01T07:08:09Z"');
  assertEquals(iso(epochMs, "ISO_MS"), '"2026-11-01T07:08:09.045Z"');
  assertEquals(iso(epochMs * 1000 + 6, "ISO_US"), '"2026-11-01T07:08:09.045006Z"');
});

Deno.test("writeIsoTime() prints what Date prints, from the first to the last instant of a Date", () => {
  const edges = [
    0,
    -1,
    1,
    -DAY_MS,
    DAY_MS - 1,
    DAY_MS,
    Date.UTC(2000, 1, 29),
    -62_167_219_200_000,
    -62_167_219_200_001,
  ];
  const ends = [253_402_300_799_999, 253_402_300_800_000, 8.64e15, -8.64e15];
  const check = (epochMs: number) => assertEquals(iso(epochMs, "ISO_MS"), JSON.stringify(new Date(epochMs)));
  [...edges, ...ends].forEach(check);
  fc.assert(fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), check), { seed: 1, numRuns: 3000 });
  for (let i = 0; i < 5000; i++) check(i * 40_000_007);
});

Deno.test("writeIsoTime() prints microseconds before and after 1970", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), (us) => {
      const epochMs = Math.floor(us / 1000);
      const micros = String(us - epochMs * 1000).padStart(3, "0");
      assertEquals(iso(us, "ISO_US"), JSON.stringify(new Date(epochMs)).replace('Z"', `${micros}Z"`));
    }),
    { seed: 2, numRuns: 3000 },
  );
});

Deno.test("writeEpochMs() prints numbers of every length, in any order", () => {
  const check = (value: number) => assertEquals(written((out) => writeEpochMs(out, 0, value)), String(value));
  for (let power = 0; power <= 15; power++) {
    [10 ** power - 1, 10 ** power, -(10 ** power), 10 ** power + 12_345].forEach(check);
  }
  [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER].forEach(check);
  for (let i = -500; i < 500; i++) check(1_793_491_200_000 + i * 333_333);
});

Deno.test("writeDate() prints days, also where a year has more than four digits", () => {
  const table: [number, string][] = [
    [0, "1970-01-01"],
    [-1, "1969-12-31"],
    [20_758, "2026-11-01"],
    [11_016, "2000-02-29"],
    [2_932_896, "9999-12-31"],
    [2_932_897, "+010000-01-01"],
    [-719_528, "0000-01-01"],
    [-719_529, "-000001-12-31"],
    [2 ** 31 - 1, "+5881580-07-11"],
    [-(2 ** 31), "-5877641-06-23"],
  ];
  for (const [days, text] of table) {
    assertEquals(written((out) => writeDate(out, 0, days)), `"${text}"`);
    if (text.length > MAX_DATE_BYTES - 2) throw new Error(`${text} is longer than MAX_DATE_BYTES`);
  }
  for (let days = -800_000; days < 100_000; days += 331) {
    const text = JSON.stringify(new Date(days * DAY_MS)).replace(/T.*/, '"');
    assertEquals(written((out) => writeDate(out, 0, days)), text);
  }
});

Deno.test("no time is longer than MAX_TIMESTAMP_BYTES", () => {
  const lengths = [iso(-(2 ** 53) + 1, "ISO_US"), iso(2 ** 53 - 1, "ISO_MS"), iso(-(2 ** 53) + 1, "ISO_MS")].map((t) =>
    t.length
  );
  assertEquals(lengths.filter((length) => length > MAX_TIMESTAMP_BYTES), []);
});
