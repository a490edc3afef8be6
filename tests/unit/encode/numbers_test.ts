import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { bigintWords, writeBigint, writeDouble, writeSafeInteger } from "../../../src/encode/numbers.ts";
import { OutputBuffer } from "../../../src/encode/output_buffer.ts";

function written(write: (out: OutputBuffer) => number): string {
  const out = new OutputBuffer(64);
  out.bytes.fill(0x23);
  out.length = write(out);
  return new TextDecoder().decode(out.written());
}

const doubleText = (value: number) => written((out) => writeDouble(out, 0, value));
const expected = (value: number) => Object.is(value, -0) ? "-0" : String(value);

const DOUBLES = [
  0,
  -0,
  1,
  -1,
  9,
  10,
  99,
  100,
  999,
  1000,
  9999,
  10_000,
  99_999_999,
  100_000_000,
  123_456_789,
  1e15 - 1,
  1e15,
  1e15 + 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 53 + 2,
  1e20,
  1e21,
  1e22,
  -1e21,
  1.5,
  0.1,
  0.01,
  0.001,
  0.0001,
  0.5,
  0.25,
  0.125,
  0.0625,
  1.1,
  1.01,
  1.001,
  100.1,
  99.99,
  19.9,
  0.1 + 0.2,
  1 / 3,
  2 / 3,
  Math.PI,
  1e-5,
  1e-6,
  1.5e-6,
  9.9e-7,
  1e-7,
  1.234e-7,
  5e-324,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  -Number.MAX_VALUE,
  Number.EPSILON,
  1 + Number.EPSILON,
  0.999,
  0.9999999,
  0.99999999,
  999.999,
  999_999_999_999.999,
  99_999_999_999_999.9,
  123_456_789_012_345.6,
  1_000_000_000.000_001,
  0.30000000000000004,
  4.35,
  4.349999999999999,
  1.005,
  2.675,
  1e14 + 0.5,
  1e12 + 0.001,
  52.520008,
  13.404954,
  1793491200.123,
  -0.000001,
  0.0000010000001,
  8.41,
  0.7,
  1.7976931348623157e308,
  2.2250738585072014e-308,
  123456.7890625,
]; // prettier-ignore

Deno.test("writeDouble() prints what String() prints, and -0 as -0", () => {
  for (const value of DOUBLES) {
    for (const signed of [value, -value]) assertEquals(doubleText(signed), expected(signed));
  }
});

Deno.test("writeDouble() prints what JSON doesn't know as strings", () => {
  assertEquals([NaN, Infinity, -Infinity].map(doubleText), ['"NaN"', '"Infinity"', '"-Infinity"']);
});

Deno.test("writeDouble() prints any double as String() does", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => doubleText(value) === expected(value)),
    { seed: 1, numRuns: 20_000 },
  );
});

Deno.test("writeDouble() prints decimals and their neighbours as String() does", () => {
  const decimal = fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 17 }), fc.integer({ min: -1, max: 1 }));
  const bits = new DataView(new ArrayBuffer(8));
  fc.assert(
    fc.property(decimal, ([digits, decimals, step]) => {
      bits.setFloat64(0, Number(`${digits}e-${decimals}`));
      bits.setBigInt64(0, bits.getBigInt64(0) + BigInt(step));
      const value = bits.getFloat64(0);
      return !Number.isFinite(value) || doubleText(value) === expected(value);
    }),
    { seed: 2, numRuns: 40_000 },
  );
});

Deno.test("writeDouble() prints every price up to 300.000 and every millionth up to 0.03 as String() does", () => {
  for (let i = 0; i < 300_000; i += 7) {
    if (doubleText(i / 1000) !== String(i / 1000)) assertEquals(doubleText(i / 1000), String(i / 1000));
  }
  for (let i = 0; i < 30_000; i++) {
    if (doubleText(i / 1e6) !== String(i / 1e6)) assertEquals(doubleText(i / 1e6), String(i / 1e6));
  }
});

Deno.test("writeSafeInteger() prints every length of number", () => {
  for (let power = 0; power <= 15; power++) {
    for (const value of [10 ** power - 1, 10 ** power, 10 ** power + 1, 3 * 10 ** power]) {
      for (const signed of [value, -value]) {
        assertEquals(written((out) => writeSafeInteger(out, 0, signed)), String(signed === 0 ? 0 : signed));
      }
    }
  }
  for (const value of [2 ** 31 - 1, -(2 ** 31), 2 ** 32, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    assertEquals(written((out) => writeSafeInteger(out, 0, value)), String(value));
  }
});

Deno.test("writeBigint() prints 64-bit integers exactly", () => {
  const edges = [31n, 32n, 52n, 53n, 54n, 62n].flatMap((bit) => [-1n, 0n, 1n].map((step) => (1n << bit) + step));
  const values = BigInt64Array.from([
    ...[0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), ...edges].flatMap((value) => [value, -value]),
    ...fc.sample(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { seed: 3, numRuns: 2000 }),
  ]);
  const words = bigintWords(values);
  values.forEach((value, i) => assertEquals(written((out) => writeBigint(out, 0, words, i)), String(value)));
});
