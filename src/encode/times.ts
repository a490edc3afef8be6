/** Dates and times, printed in the form they were written in. */
import type { TimestampForm } from "../columnar/types.ts";
import { writeAscii, writeEightDigits, writeFourDigits, writePadded, writeSafeInteger } from "./numbers.ts";
import { OutputBuffer, WORD_SLACK } from "./output_buffer.ts";

/** The most bytes that writeDate, writeEpochMs and writeIsoTime write, quotes included. */
export const MAX_DATE_BYTES = 16;
export const MAX_TIMESTAMP_BYTES = 32;

const QUOTE = 0x22, DASH = 0x2d, COLON = 0x3a, POINT = 0x2e, LETTER_T = 0x54, LETTER_Z = 0x5a;

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

function writeDay(out: OutputBuffer, position: number, days: number): number {
  const { year, month, day } = civilFromDays(days);
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

/** Text that the values of a span begin with; times that follow each other mostly lie in one span. */
class Prefix {
  readonly text = new OutputBuffer(2 * WORD_SLACK);
  start = NaN;

  /** Writes at most 16 bytes. */
  write(out: OutputBuffer, position: number): number {
    const to = out.view, from = this.text.view;
    to.setBigUint64(position, from.getBigUint64(0, true), true);
    to.setBigUint64(position + 8, from.getBigUint64(8, true), true);
    return position + this.text.length;
  }
}

const EPOCH_SPAN_MS = 1e8;
const epochPrefix = new Prefix();

/** Writes epoch ms as a number: the digits above the last eight stay the same for a day. */
export function writeEpochMs(out: OutputBuffer, position: number, epochMs: number): number {
  const rest = epochMs - epochPrefix.start;
  if (rest >= 0 && rest < EPOCH_SPAN_MS) return writeEightDigits(out, epochPrefix.write(out, position), rest | 0);
  if (epochMs >= EPOCH_SPAN_MS) {
    const high = Math.floor(epochMs / EPOCH_SPAN_MS);
    epochPrefix.text.length = writeSafeInteger(epochPrefix.text, 0, high);
    epochPrefix.start = high * EPOCH_SPAN_MS;
  }
  return writeSafeInteger(out, position, epochMs);
}

const DAY_MS = 86_400_000;
const dayPrefix = new Prefix();

/** The text up to the time of day, for the day of `epochMs`: `"2026-11-01T`. */
function setDay(epochMs: number): void {
  const days = Math.floor(epochMs / DAY_MS), { text } = dayPrefix;
  text.bytes[0] = QUOTE;
  text.length = writeDay(text, 1, days);
  text.bytes[text.length++] = LETTER_T;
  dayPrefix.start = days * DAY_MS;
}

/** Writes a time as ISO 8601 in UTC with 0, 3 or 6 digits of a second, quotes included. @param value us for ISO_US, else ms. */
export function writeIsoTime(
  out: OutputBuffer,
  position: number,
  value: number,
  form: Exclude<TimestampForm, "EPOCH_MS">,
): number {
  const epochMs = form === "ISO_US" ? Math.floor(value / 1000) : value;
  let rest = epochMs - dayPrefix.start;
  if (!(rest >= 0 && rest < DAY_MS)) {
    setDay(epochMs);
    rest = epochMs - dayPrefix.start;
  }
  position = dayPrefix.write(out, position);
  const msOfDay = rest | 0, secondOfDay = (msOfDay / 1000) | 0;
  position = writeTimeOfDay(out, position, secondOfDay);
  if (form !== "ISO_S") {
    out.bytes[position] = POINT;
    position = writePadded(out, position + 1, msOfDay - secondOfDay * 1000, 3);
    if (form === "ISO_US") position = writePadded(out, position, value - epochMs * 1000, 3);
  }
  out.bytes[position] = LETTER_Z;
  out.bytes[position + 1] = QUOTE;
  return position + 2;
}

function writeTimeOfDay(out: OutputBuffer, position: number, secondOfDay: number): number {
  const minuteOfDay = (secondOfDay / 60) | 0, hour = (minuteOfDay / 60) | 0;
  const bytes = out.bytes;
  writePadded(out, position, hour, 2);
  bytes[position + 2] = COLON;
  writePadded(out, position + 3, minuteOfDay - hour * 60, 2);
  bytes[position + 5] = COLON;
  return writePadded(out, position + 6, secondOfDay - minuteOfDay * 60, 2);
}
