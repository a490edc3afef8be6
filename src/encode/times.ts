/** Dates and times, printed in the form they were written in. */
import type { TimestampForm } from "../columnar/types.ts";
import { writeAscii, writeFourDigits, writePadded, writeSafeInteger } from "./numbers.ts";
import type { OutputBuffer } from "./output_buffer.ts";

/** The most bytes that writeDate and writeTimestamp write, quotes included. */
export const MAX_DATE_BYTES = 15;
export const MAX_TIMESTAMP_BYTES = 32;

const QUOTE = 0x22, DASH = 0x2d, COLON = 0x3a, POINT = 0x2e, LETTER_T = 0x54, LETTER_Z = 0x5a;
const DAY_SECONDS = 86_400;

/** A calendar day, reckoned as in ISO 8601 (Gregorian also before its invention). */
interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

/** Days since 1970-01-01 -> year, month, day; after Howard Hinnant, "chrono-compatible low-level date algorithms". */
export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** Rows of one page mostly lie on one day: the last one is kept. */
let lastDays = 0;
let lastCivil = civilFromDays(0);

function writeDay(out: OutputBuffer, position: number, days: number): number {
  if (days !== lastDays) {
    lastCivil = civilFromDays(days);
    lastDays = days;
  }
  const { year, month, day } = lastCivil;
  if (year >= 0 && year <= 9999) {
    position = writeFourDigits(out, position, year);
  } else {
    position = writeAscii(out, position, `${year < 0 ? "-" : "+"}${String(Math.abs(year)).padStart(6, "0")}`);
  }
  const bytes = out.bytes;
  bytes[position] = DASH;
  writePadded(out, position + 1, month, 2);
  bytes[position + 3] = DASH;
  return writePadded(out, position + 4, day, 2);
}

/** Writes days since 1970-01-01 as "2026-11-01", quotes included. */
export function writeDate(out: OutputBuffer, position: number, days: number): number {
  out.bytes[position] = QUOTE;
  position = writeDay(out, position + 1, days);
  out.bytes[position] = QUOTE;
  return position + 1;
}

/** Units of a TIMESTAMP's value in a second. */
function unitsPerSecond(form: TimestampForm): number {
  return form === "ISO_US" ? 1_000_000 : 1000;
}

/** Writes a TIMESTAMP: a number, or text with 0, 3 or 6 digits of a second, quotes included. `value` as in the block. */
export function writeTimestamp(out: OutputBuffer, position: number, value: number, form: TimestampForm): number {
  if (form === "EPOCH_MS") return writeSafeInteger(out, position, value);
  const units = unitsPerSecond(form);
  const seconds = Math.floor(value / units);
  const fraction = value - seconds * units;
  const days = Math.floor(seconds / DAY_SECONDS);
  out.bytes[position] = QUOTE;
  position = writeDay(out, position + 1, days);
  out.bytes[position] = LETTER_T;
  position = writeTimeOfDay(out, position + 1, seconds - days * DAY_SECONDS);
  if (form !== "ISO_S") {
    out.bytes[position++] = POINT;
    if (form === "ISO_US") {
      position = writePadded(out, position, (fraction / 1000) | 0, 3);
      position = writePadded(out, position, fraction % 1000, 3);
    } else {
      position = writePadded(out, position, fraction, 3);
    }
  }
  out.bytes[position] = LETTER_Z;
  out.bytes[position + 1] = QUOTE;
  return position + 2;
}

function writeTimeOfDay(out: OutputBuffer, position: number, secondOfDay: number): number {
  const hour = (secondOfDay / 3600) | 0;
  const minute = ((secondOfDay - hour * 3600) / 60) | 0;
  const bytes = out.bytes;
  writePadded(out, position, hour, 2);
  bytes[position + 2] = COLON;
  writePadded(out, position + 3, minute, 2);
  bytes[position + 5] = COLON;
  return writePadded(out, position + 6, secondOfDay - hour * 3600 - minute * 60, 2);
}
