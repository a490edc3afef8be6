/** Dates and times, printed in the form they were written in. */
import { DAY_MS, MAX_DAY, MIN_DAY, writeDate as writeCalendarDate } from "../columnar/calendar.ts";
import type { TimestampForm } from "../columnar/types.ts";
import { writeAscii, writeEightDigits, writePadded, writeSafeInteger } from "./numbers.ts";
import { OutputBuffer, WORD_SLACK } from "./output_buffer.ts";

/** The most bytes that writeDate, writeEpochMs and writeIsoTime write, quotes included. */
export const MAX_DATE_BYTES = 16;
export const MAX_TIMESTAMP_BYTES = 32;

const QUOTE = 0x22, COLON = 0x3a, POINT = 0x2e, LETTER_T = 0x54, LETTER_Z = 0x5a;

/** Days of 400 years, after which the calendar repeats itself. */
const CYCLE_DAYS = 146_097;

/** Writes `2026-11-01`, or `+123456-11-01` where four digits don't do. */
function writeDay(out: OutputBuffer, position: number, days: number): number {
  if (days >= MIN_DAY && days <= MAX_DAY) return writeCalendarDate(out.bytes, position, days);
  const cycles = Math.floor(days / CYCLE_DAYS);
  const date = new Date((days - cycles * CYCLE_DAYS) * DAY_MS);
  const year = date.getUTCFullYear() + 400 * cycles;
  const digits = String(Math.abs(year)).padStart(6, "0");
  return writeAscii(out, position, `${year < 0 ? "-" : "+"}${digits}${date.toISOString().slice(4, 10)}`);
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
