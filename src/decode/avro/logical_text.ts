/** The texts of logical types' values. */
import { MAX_DAY, MIN_DAY, writeDate } from "../../columnar/calendar.ts";

const SECONDS_A_DAY = 86_400;
const CYCLE_DAYS = 146_097, CYCLE_YEARS = 400;
const scratch = new Uint8Array(16);
const decoder = new TextDecoder();

/** The number that two's complement bytes [from, to), the most significant first, are. */
export function unscaledValue(bytes: Uint8Array, from: number, to: number): bigint {
  if (from === to) return 0n;
  let hex = "0x";
  for (let i = from; i < to; i++) hex += bytes[i].toString(16).padStart(2, "0");
  return BigInt.asIntN(8 * (to - from), BigInt(hex));
}

/** A JSON number: 1234 with scale 2 is 12.34, 5 is 0.05. All its decimals are kept. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled);
  const sign = unscaled < 0n ? "-" : "";
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** A date; years beyond 0 to 9999 with a sign and at least six digits, as in ISO 8601 and ECMAScript. */
function dateText(days: number): string {
  if (days >= MIN_DAY && days <= MAX_DAY) return decoder.decode(scratch.subarray(0, writeDate(scratch, 0, days)));
  const cycles = Math.floor((days - MIN_DAY) / CYCLE_DAYS);
  writeDate(scratch, 0, days - cycles * CYCLE_DAYS);
  const text = decoder.decode(scratch.subarray(0, 10));
  const year = Number(text.slice(0, 4)) + cycles * CYCLE_YEARS;
  return `${year < 0 ? "-" : "+"}${String(Math.abs(year)).padStart(6, "0")}${text.slice(4)}`;
}

/** "2026-11-01T00:00:00.000": `value` in units of 10^-digits seconds since the epoch. */
export function instantText(value: bigint, digits: number): string {
  const unitsASecond = 10n ** BigInt(digits);
  let seconds = value / unitsASecond, fraction = value % unitsASecond;
  if (fraction < 0n) {
    fraction += unitsASecond;
    seconds -= 1n;
  }
  const days = Math.floor(Number(seconds) / SECONDS_A_DAY);
  return `${dateText(days)}T${
    clockText(Number(seconds - BigInt(days) * BigInt(SECONDS_A_DAY)), Number(fraction), digits)
  }`;
}

/** "13:45:00.000"; what is outside of a day goes on in the same form, with a sign or more hours: "-00:00:01.000". */
export function timeText(value: bigint, digits: number): string {
  if (value < 0n) return `-${timeText(-value, digits)}`;
  const unitsASecond = 10n ** BigInt(digits);
  return clockText(Number(value / unitsASecond), Number(value % unitsASecond), digits);
}

function clockText(seconds: number, fraction: number, digits: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return digits === 0 ? clock : `${clock}.${String(fraction).padStart(digits, "0")}`;
}

/** The 16 bytes from `from` on in the form of RFC 9562. */
export function uuidText(bytes: Uint8Array, from: number): string {
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += bytes[from + i].toString(16).padStart(2, "0");
  }
  return text;
}

/** Months, days and milliseconds, three unsigned words, as an ISO 8601 duration: "P1M2DT3.004S". */
export function durationText(view: DataView, from: number): string {
  const [months, days, millis] = [0, 4, 8].map((offset) => view.getUint32(from + offset, true));
  const seconds = `${Math.floor(millis / 1000)}.${String(millis % 1000).padStart(3, "0")}`;
  return `P${months}M${days}DT${seconds}S`;
}
