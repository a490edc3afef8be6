/** Whether numbers survive in a type, told from their text. */

/** The number's significant digits without zeros at either end, and the power of ten of the digit after the last. */
function normalize(text: string): { negative: boolean; digits: string; exponent: number } {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const fraction = match[3] ?? "";
  const all = (match[2] + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  const exponent = Number(match[4] ?? 0) - fraction.length + (all.length - digits.length);
  return { negative: match[1] === "-", digits, exponent: digits === "" ? 0 : exponent };
}

/**
 * Whether the double nearest to `text` (a JSON number) prints back as a number equal to it: 0.1, 1.10 and 1E5 do,
 * 12345678901234567890 and 1e400 don't. The sign of a zero counts.
 */
export function isExactDouble(text: string, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  const printed = String(value);
  if (printed === text) return true;
  const a = normalize(text), b = normalize(printed);
  if (b.digits === "") return a.digits === "" && a.negative === Object.is(value, -0);
  return a.digits === b.digits && a.exponent === b.exponent && a.negative === b.negative;
}

/** Whether a 64-bit integer prints back the same after it became a double. */
export function isExactBigintDouble(value: bigint): boolean {
  const double = Number(value);
  return Number.isSafeInteger(double) || BigInt(String(double)) === value;
}
