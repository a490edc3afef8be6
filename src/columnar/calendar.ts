/** The proleptic Gregorian calendar on plain numbers, and dates and timestamps as text, without Date objects. */
import type { TimestampForm } from "./types.ts";

export const DAY_MS = 86_400_000;

/**
 * Days since 1970-01-01 of a date. Years before 1 work, months are 1 to 12; the day isn't checked.
 * (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.)
 */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear -
    719_468;
}

/** Days in a month, 1 to 12. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days of 0000-01-01 and 9999-12-31: dates outside have no form with a year of four digits. */
export const MIN_DAY = daysFromCivil(0, 1, 1);
export const MAX_DAY = daysFromCivil(9999, 12, 31);

function putDigits(bytes: Uint8Array, at: number, value: number, digits: number): void {
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = 48 + value % 10;
    value = Math.floor(value / 10);
  }
}

/** Writes "2026-11-01" (10 bytes) and returns the position after it. `days` within MIN_DAY to MAX_DAY. */
export function writeDate(bytes: Uint8Array, at: number, days: number): number {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  putDigits(bytes, at, yearOfEra + era * 400 + (month <= 2 ? 1 : 0), 4);
  bytes[at + 4] = 45;
  putDigits(bytes, at + 5, month, 2);
  bytes[at + 7] = 45;
  putDigits(bytes, at + 8, dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1, 2);
  return at + 10;
}

/** Digits of a second's fraction by form. */
const FRACTION_DIGITS: Readonly<Record<Exclude<TimestampForm, "EPOCH_MS">, number>> = {
  ISO_S: 0,
  ISO_MS: 3,
  ISO_US: 6,
};

/** Writes "2026-11-01T00:00:00.000Z" (at most 27 bytes) and returns the position after it. The year must have 4 digits. */
export function writeIsoTimestamp(
  bytes: Uint8Array,
  at: number,
  value: number,
  form: Exclude<TimestampForm, "EPOCH_MS">,
): number {
  const unitsPerSecond = form === "ISO_US" ? 1e6 : 1000;
  const seconds = Math.floor(value / unitsPerSecond);
  const days = Math.floor(seconds / 86_400);
  const secondOfDay = seconds - days * 86_400;
  at = writeDate(bytes, at, days);
  bytes[at] = 84;
  putDigits(bytes, at + 1, Math.floor(secondOfDay / 3600), 2);
  bytes[at + 3] = 58;
  putDigits(bytes, at + 4, Math.floor(secondOfDay / 60) % 60, 2);
  bytes[at + 6] = 58;
  putDigits(bytes, at + 7, secondOfDay % 60, 2);
  at += 9;
  const digits = FRACTION_DIGITS[form];
  if (digits > 0) {
    bytes[at] = 46;
    putDigits(bytes, at + 1, value - seconds * unitsPerSecond, digits);
    at += 1 + digits;
  }
  bytes[at] = 90;
  return at + 1;
}
