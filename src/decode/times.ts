/** Dates and times as bytes of text: the canonical forms that columns keep, and ISO 8601 at large for event times. */
import { DAY_MS, daysFromCivil, daysInMonth } from "../columnar/calendar.ts";
import type { TimestampForm } from "../columnar/types.ts";

const DASH = 0x2d, COLON = 0x3a, DOT = 0x2e, COMMA = 0x2c, PLUS = 0x2b, SPACE = 0x20, UPPER_T = 0x54, UPPER_Z = 0x5a;

/** Times beyond this many ms from the epoch are outside JavaScript's Date and any calendar of four digits. */
export const MAX_EPOCH_MS = 8.64e15;

/** What `database.time-unit` may say of numbers. */
export const TIME_UNITS = ["ms", "s", "us", "ns", "auto"] as const;
export type TimeUnit = typeof TIME_UNITS[number];

const MS_OF: Readonly<Record<Exclude<TimeUnit, "auto">, number>> = { ms: 1, s: 1e3, us: 1e-3, ns: 1e-6 };

/** The epoch ms that a number means; NaN when no Date can hold it. */
export function epochMsOf(value: number, unit: TimeUnit): number {
  const ms = Math.floor(value * MS_OF[unit === "auto" ? likelyUnit(value) : unit]) + 0; // not -0
  return Math.abs(ms) <= MAX_EPOCH_MS ? ms : NaN;
}

/** By its size: below 10^11 it is seconds (up to the year 5138), then ms, then µs from 10^14 on, ns from 10^17 on. */
function likelyUnit(value: number): Exclude<TimeUnit, "auto"> {
  const size = Math.abs(value);
  return size < 1e11 ? "s" : size < 1e14 ? "ms" : size < 1e17 ? "us" : "ns";
}

/** The number in two digits; NaN, which fails every comparison, when they aren't. */
function two(bytes: Uint8Array, at: number): number {
  const a = bytes[at] - 48, b = bytes[at + 1] - 48;
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : NaN;
}

function checkedDays(year: number, month: number, day: number): number {
  return year === year && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
    ? daysFromCivil(year, month, day)
    : NaN;
}

/** Days since the epoch of the 10 bytes "2026-11-01"; NaN when they are anything else. */
export function parseDate(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== DASH || bytes[at + 7] !== DASH) return NaN;
  return checkedDays(two(bytes, at) * 100 + two(bytes, at + 2), two(bytes, at + 5), two(bytes, at + 8));
}

/** The form that text of this length may have, if it is a timestamp at all. */
export function timestampFormOf(byteLength: number): Exclude<TimestampForm, "EPOCH_MS"> | null {
  return byteLength === 24 ? "ISO_MS" : byteLength === 20 ? "ISO_S" : byteLength === 27 ? "ISO_US" : null;
}

/** Length of a timestamp's text by its form. */
export function timestampLength(form: TimestampForm): number {
  return form === "ISO_MS" ? 24 : form === "ISO_S" ? 20 : 27;
}

/** The day that was read last: timestamps one after the other mostly share it. Text is kept as little-endian words. */
export class DayCache {
  /** "2026", "-11-" and "01T". */
  readonly words: Int32Array = new Int32Array(3);
  /** Epoch ms of its midnight. */
  midnightMs = NaN;
}

/** "2:30", ":59.", ":59Z" and "123Z" in words, with zeros for digits. */
const MINUTE_WORD = 0x30303a30, FRACTION_SECOND_WORD = 0x2e30303a, LAST_SECOND_WORD = 0x5a30303a;
const LAST_MILLIS_WORD = 0x5a303030, DIGITS_WORD = 0x30303030;

/** Not 0 when a byte of a word is more than 9. */
function notDigits(word: number): number {
  return ((word + 0x76767676) | word) & 0x80808080;
}

function readMidnight(bytes: Uint8Array, view: DataView, at: number, cache: DayCache): number {
  const { words } = cache;
  const first = view.getInt32(at, true), second = view.getInt32(at + 4, true);
  const third = view.getInt32(at + 8, true) & 0xffffff;
  if (first === words[0] && second === words[1] && third === words[2]) return cache.midnightMs;
  if (bytes[at + 10] !== UPPER_T) return NaN;
  words[0] = first;
  words[1] = second;
  words[2] = third;
  return cache.midnightMs = parseDate(bytes, at) * DAY_MS;
}

/**
 * The value of canonical text of `length` bytes (20, 24 or 27): epoch ms, µs with 27. NaN when writing the value again
 * would give other text (also for a leap second), or µs are beyond 2^53. `view` must reach to the text's end.
 */
export function parseTimestamp(
  bytes: Uint8Array,
  view: DataView,
  { at, length, cache }: { at: number; length: number; cache: DayCache },
): number {
  const midnightMs = readMidnight(bytes, view, at, cache);
  const tens = bytes[at + 11] - 48;
  const minute = view.getInt32(at + 12, true) ^ MINUTE_WORD;
  const second = view.getInt32(at + 16, true) ^ (length === 20 ? LAST_SECOND_WORD : FRACTION_SECOND_WORD);
  // Separators have become 0.
  if ((notDigits(minute) | notDigits(second) | (minute & 0xff00) | (second & 0xff0000ff)) !== 0) return NaN;
  const hours = tens * 10 + (minute & 0xff);
  const minutes = ((minute >>> 16) & 0xff) * 10 + (minute >>> 24);
  const seconds = ((second >>> 8) & 0xff) * 10 + ((second >>> 16) & 0xff);
  if (!(tens >= 0 && hours <= 23 && minutes <= 59 && seconds <= 59)) return NaN;
  const ms = midnightMs + (hours * 3600 + minutes * 60 + seconds) * 1000;
  if (length === 20) return ms;
  const fraction = view.getInt32(at + 20, true) ^ (length === 24 ? LAST_MILLIS_WORD : DIGITS_WORD);
  if ((notDigits(fraction) | (length === 24 ? fraction & 0xff000000 : 0)) !== 0) return NaN;
  const millis = (fraction & 0xff) * 100 + ((fraction >>> 8) & 0xff) * 10 + ((fraction >>> 16) & 0xff);
  if (length === 24) return ms + millis;
  if (bytes[at + 26] !== UPPER_Z) return NaN;
  const micros = (ms + millis) * 1000 + (fraction >>> 24) * 100 + two(bytes, at + 24);
  return Number.isSafeInteger(micros) ? micros : NaN;
}

/** Reads ISO 8601 from the front of a text, position after position. */
class IsoReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Epoch ms; NaN when the text isn't an instant or date. */
  instant(): number {
    const days = this.#date();
    if (this.#at === this.#end) return days * DAY_MS;
    const separator = this.#bytes[this.#at++];
    if ((separator | 0x20) !== (UPPER_T | 0x20) && separator !== SPACE) return NaN;
    const timeMs = this.#time();
    const offsetMs = this.#zone();
    return this.#at === this.#end ? days * DAY_MS + timeMs - offsetMs : NaN;
  }

  #peek(): number {
    return this.#at < this.#end ? this.#bytes[this.#at] : 0;
  }

  #accept(byte: number): boolean {
    if (this.#peek() !== byte) return false;
    this.#at++;
    return true;
  }

  #hasDigit(): boolean {
    const c = this.#peek();
    return c >= 48 && c <= 57;
  }

  #digits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      if (!this.#hasDigit()) return NaN;
      value = value * 10 + this.#bytes[this.#at++] - 48;
    }
    return value;
  }

  /** 2026-11-01, 20261101, +002026-11-01. */
  #date(): number {
    const sign = this.#accept(PLUS) ? 1 : this.#accept(DASH) ? -1 : 0;
    const year = sign === 0 ? this.#digits(4) : sign * this.#digits(6);
    const extended = this.#accept(DASH);
    const month = this.#digits(2);
    if (extended && !this.#accept(DASH)) return NaN;
    return checkedDays(year, month, this.#digits(2));
  }

  /** 12, 12:30, 12:30:59, 12:30:59.123456789, the same without colons. A leap second is the next minute's first. */
  #time(): number {
    const hour = this.#digits(2);
    const extended = this.#peek() === COLON;
    const more = () => extended ? this.#accept(COLON) : this.#hasDigit();
    const minute = more() ? this.#digits(2) : 0;
    let second = 0, millis = 0;
    if (more()) {
      second = this.#digits(2);
      if (this.#accept(DOT) || this.#accept(COMMA)) millis = this.#fraction();
    }
    const valid = hour <= 23 && minute <= 59 && second <= 60;
    const endOfDay = hour === 24 && minute === 0 && second === 0 && millis === 0;
    return valid || endOfDay ? (hour * 3600 + minute * 60 + second) * 1000 + millis : NaN;
  }

  #fraction(): number {
    if (!this.#hasDigit()) return NaN;
    let millis = 0;
    for (let unit = 100; this.#hasDigit(); unit /= 10) {
      const digit = this.#bytes[this.#at++] - 48;
      if (unit >= 1) millis += digit * unit;
    }
    return millis;
  }

  /** Z, +03, +0300, +03:00; none is UTC. */
  #zone(): number {
    if (this.#at === this.#end) return 0;
    if (this.#accept(UPPER_Z) || this.#accept(UPPER_Z | 0x20)) return 0;
    const sign = this.#accept(PLUS) ? 1 : this.#accept(DASH) ? -1 : NaN;
    const hours = this.#digits(2);
    const minutes = this.#accept(COLON) || this.#hasDigit() ? this.#digits(2) : 0;
    return hours <= 23 && minutes <= 59 ? sign * (hours * 60 + minutes) * 60_000 : NaN;
  }
}

/**
 * Epoch ms of an ISO 8601 date or date and time (also with a blank for the T): any offset, any fraction (cut to ms), no
 * zone means UTC. NaN when the bytes are anything else.
 */
export function parseInstant(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 8 || end - start > 64) return NaN;
  return new IsoReader(bytes, start, end).instant();
}
