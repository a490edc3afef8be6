import { assert, assertEquals, assertGreater } from "@std/assert";
import { isExactDouble } from "../../../src/columnar/decimal.ts";
import { shortestDouble } from "../../../src/decode/shortest_double.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";

/** Digits of 16 or 17 and where their dot is, as text and as shortestDouble() takes them. */
function check(digits: string, decimals: number): boolean {
  const value = shortestDouble(Number(digits.slice(0, -8)), Number(digits.slice(-8)), decimals);
  if (Number.isNaN(value)) return false;
  const text = `${digits}e-${decimals}`;
  assertEquals(value, Number(text), text);
  assert(isExactDouble(text, value), text);
  return true;
}

Deno.test("shortestDouble() is right about random decimals, and sure of most that doubles print as", () => {
  const random = new SeededRandom(3);
  const below = (bound: number) => Math.floor(random.next() * bound);
  let printed = 0, sure = 0;
  for (let i = 0; i < 200_000; i++) {
    const digits = `${1 + below(9)}${String(below(1e8)).padStart(8, "0")}${String(below(1e8)).padStart(8, "0")}`;
    check(digits.slice(0, 16 + (i & 1)), below(23));
    const value = random.next() * 10 ** below(7) + random.next() / 2 ** below(30);
    const [whole, fraction = ""] = String(value).split(".");
    const all = (whole + fraction).replace(/^0+/, "");
    if (all.length < 16 || all.length > 17 || fraction.includes("e") || fraction.length > 22) continue;
    printed++;
    if (check(all, fraction.length)) sure++;
  }
  assertGreater(printed, 100_000);
  assertGreater(sure / printed, 0.98);
});

Deno.test("shortestDouble() is right next to powers of two and of ten", () => {
  for (let exponent = -10; exponent < 50; exponent++) {
    for (let step = -40; step <= 40; step++) {
      const power = 2 ** exponent;
      const value = power + step * power * 2 ** -52;
      const digits = value.toExponential(16).replace(/e.*/, "").replace(".", "");
      const decimals = 16 - Math.floor(Math.log10(value));
      for (const text of [digits, digits.slice(0, 16)]) {
        const places = decimals - (17 - text.length);
        if (places >= 0 && places <= 22) check(text, places);
      }
    }
  }
  for (let decimals = 0; decimals <= 22; decimals++) {
    for (let offset = 0; offset < 5000; offset += 7) {
      check(String(10n ** 16n + BigInt(offset)), decimals);
      check(String(10n ** 17n - 1n - BigInt(offset)), decimals);
      check(String(10n ** 15n + BigInt(offset)), decimals);
      check(String(10n ** 16n - 1n - BigInt(offset)), decimals);
    }
  }
});
