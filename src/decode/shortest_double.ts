/**
 * Doubles of 16 and 17 digits, as most languages print them, read and proved exact by arithmetic: a quarter of the time
 * of Number(text) and String(value).
 */
import { POWERS_OF_TEN } from "./powers_of_ten.ts";

const scratch = new Float64Array(1);
/** Its two halves, the one with the exponent last. */
const words = new Int32Array(scratch.buffer);
const EXPONENT_MASK = 0x7ff00000, MANTISSA_MASK = 0x000fffff, MANTISSA_BITS = 52;

/** Errors of the arithmetic below stay far smaller than this, in units of the decimal's last digit. */
const MARGIN = 1e-6;
/** Decimals whose digits are this near above a power of ten are left alone: shorter ones are denser below it. */
const NEAR_POWER = 1000;

/** The upper half of a double's digits, exact; the rest is `value - upperHalf(value)`. (Veltkamp's split.) */
function upperHalf(value: number): number {
  const scaled = 134_217_729 * value;
  return scaled - (scaled - value);
}

/** sum + sumError - value * power: the product in full as two doubles (Dekker), the difference nearly exact. */
function restOf(sum: number, sumError: number, value: number, power: number): number {
  const valueHigh = upperHalf(value), valueLow = value - valueHigh;
  const powerHigh = upperHalf(power), powerLow = power - powerHigh;
  const product = value * power;
  const productError = valueHigh * powerHigh - product + valueHigh * powerLow + valueLow * powerHigh +
    valueLow * powerLow;
  return sum - product - productError + sumError;
}

/**
 * The double nearest to (high * 10^8 + low) / 10^decimals, if it is certain that it prints back as just that decimal; NaN
 * when it isn't, or not certain. The whole number has 16 or 17 digits; `low` is below 10^8, `decimals` at most 22.
 *
 * A double prints as the shortest decimal that is nearer to it than to any other double, and of those of that length as the
 * nearest. So the decimal must be within half a unit of the double's last place (it reads as that double), within half a
 * unit of its own last digit (it is the nearest), and the two decimals around it with one digit less must lie
 * outside the half unit of the double (nothing shorter will do).
 */
export function shortestDouble(high: number, low: number, decimals: number): number {
  const power = POWERS_OF_TEN[decimals];
  // high * 10^8 is exact, since 10^8 is 390,625 * 2^8; the sum's rounding error is kept (Dekker's fast two-sum).
  const large = high * 1e8;
  const sum = large + low;
  const sumError = low - (sum - large);
  if (sum - (sum < 1e16 ? 1e15 : 1e16) < NEAR_POWER) return NaN;
  let value = sum / power;
  let rest = restOf(sum, sumError, value, power);
  const corrected = value + rest / power;
  if (corrected !== value) {
    value = corrected;
    rest = restOf(sum, sumError, value, power);
  }
  scratch[0] = value;
  // Below a power of two doubles are twice as dense.
  if ((words[1] & MANTISSA_MASK) === 0 && words[0] === 0) return NaN;
  words[1] = (words[1] & EXPONENT_MASK) - (MANTISSA_BITS << 20);
  words[0] = 0;
  const halfUnit = scratch[0] * power / 2;
  const digit = low % 10;
  const isRead = Math.abs(rest) < halfUnit - MARGIN;
  const isNearest = Math.abs(rest) < 0.5 - MARGIN;
  const isShortest = Math.abs(rest - digit) > halfUnit + MARGIN && Math.abs(rest + 10 - digit) > halfUnit + MARGIN;
  return isRead && isNearest && isShortest ? value : NaN;
}
