import { assertEquals, assertThrows } from "@std/assert";
import { formatByteSize, formatDurationMs, parseByteSize, parseDurationMs } from "../../../src/config/units.ts";

const DURATIONS: readonly (readonly [string, number])[] = [
  ["0s", 0],
  ["30ms", 30],
  ["15s", 15_000],
  ["5m", 300_000],
  ["1.5h", 5_400_000],
  ["2d", 172_800_000],
  ["2.25 s", 2250],
  ["  1\ts ", 1000],
  ["500us", 0.5],
  ["1000000ns", 1],
  ["1m30s", 90_000],
  ["1h 30m", 5_400_000],
  ["1.5min", 90_000],
  ["2 hours", 7_200_000],
];

const SIZES: readonly (readonly [string, number])[] = [
  ["0B", 0],
  ["1B", 1],
  ["64kB", 65_536],
  ["1.5kB", 1536],
  ["256MB", 268_435_456],
  ["1GB", 1_073_741_824],
  ["2 TB", 2_199_023_255_552],
  ["1PB", 1_125_899_906_842_624],
  ["0.3kB", 307],
  ["10MiB", 10_485_760],
  ["2G", 2_147_483_648],
  ["64k", 65_536],
  ["64KB", 65_536],
];

Deno.test("parseDurationMs() reads a number and a unit", () => {
  for (const [text, durationMs] of DURATIONS) assertEquals(parseDurationMs(text), durationMs, text);
});

Deno.test("parseByteSize() reads a number and a unit, in powers of 1024", () => {
  for (const [text, byteLength] of SIZES) assertEquals(parseByteSize(text), byteLength, text);
});

Deno.test("parseDurationMs() and parseByteSize() say what to write when the text is something else", () => {
  const units = "ns, us, ms, s, m, h, d";
  const invalid: readonly (readonly [string, string])[] = [
    ["", "not a duration: write a number and a unit, as in 15s"],
    ["15", "not a duration: write a number and a unit, as in 15s"],
    ["s", "not a duration: write a number and a unit, as in 15s"],
    ["-1s", "not a duration: write a number and a unit, as in 15s"],
    [".5s", "not a duration: write a number and a unit, as in 15s"],
    ["1e3s", "not a duration: write a number and a unit, as in 15s"],
    ["30m1h", "not a duration: write a number and a unit, as in 15s"],
    ["1m30", "not a duration: write a number and a unit, as in 15s"],
    ["1s1s", "not a duration: write a number and a unit, as in 15s"],
    ["15S", `unknown unit "S": use one of ${units}; did you mean s?`],
    ["15G", `unknown unit "G": use one of ${units}`],
    ["1constructor", `unknown unit "constructor": use one of ${units}`],
  ];
  for (const [text, message] of invalid) assertThrows(() => parseDurationMs(text), RangeError, message);
  assertThrows(
    () => parseByteSize("64mb"),
    RangeError,
    'unknown unit "mb": use one of B, kB, MB, GB, TB, PB; did you mean MB?',
  );
  assertThrows(() => parseByteSize("64m"), RangeError, 'unknown unit "m"');
  assertThrows(() => parseByteSize("1GB 5MB"), RangeError, "not a size: write a number and a unit, as in 64MB");
  assertThrows(() => parseByteSize("64"), RangeError, "not a size: write a number and a unit, as in 64MB");
});

Deno.test("formatDurationMs() and formatByteSize() write what is read back equal", () => {
  const durations: readonly (readonly [number, string])[] = [
    [0, "0ms"],
    [1, "1ms"],
    [999, "999ms"],
    [1500, "1.5s"],
    [5_400_000, "1.5h"],
    [90_061_000, "90061s"],
    [172_800_000, "2d"],
  ];
  for (const [durationMs, text] of durations) {
    assertEquals(formatDurationMs(durationMs), text);
    assertEquals(parseDurationMs(text), durationMs);
  }
  for (const [byteLength, text] of [[0, "0B"], [1023, "1023B"], [65_536, "64kB"], [1536, "1.5kB"]] as const) {
    assertEquals(formatByteSize(byteLength), text);
    assertEquals(parseByteSize(text), byteLength);
  }
});
