/**
 * Durations and sizes as airlift writes them (a number and a unit, case-sensitive, unit required, powers of 1024), and as
 * others do: 10MiB, 2G, 64k; 1m30s, 2 min.
 */

const NUMBER_AND_UNIT = /(\d+(?:\.\d+)?)\s*([a-zA-Z]+)/g;
/** Some of them, with nothing else around. */
const ALL = /^(?:\s*\d+(?:\.\d+)?\s*(?!e\d)[a-zA-Z]+)+\s*$/;

const DURATION_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  TB: 2 ** 40,
  PB: 2 ** 50,
};

/** What else the units are called; never what could be another one. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  ...{ sec: "s", secs: "s", second: "s", seconds: "s", min: "m", mins: "m", minute: "m", minutes: "m" },
  ...{ hr: "h", hrs: "h", hour: "h", hours: "h", day: "d", days: "d", millis: "ms", milliseconds: "ms" },
  ...{ K: "kB", k: "kB", KB: "kB", KiB: "kB", kiB: "kB", M: "MB", MiB: "MB", G: "GB", g: "GB", GiB: "GB" },
  ...{ T: "TB", t: "TB", TiB: "TB", P: "PB", PiB: "PB" },
};

/** @param many whether numbers with units may follow each other, in falling order: 1h30m. */
function parse(
  text: string,
  units: Readonly<Record<string, number>>,
  { what, example, many }: { what: string; example: string; many: boolean },
): number {
  const parts = ALL.test(text) ? [...text.matchAll(NUMBER_AND_UNIT)] : [];
  const terms = parts.map(([, number, unit]) => ({ number: Number(number), factor: factorOf(unit, units) }));
  const falls = terms.every(({ factor }, i) => i === 0 || factor < terms[i - 1].factor);
  if (terms.length === 0 || !falls || (terms.length > 1 && !many)) {
    throw new RangeError(`not a ${what}: write a number and a unit, as in ${example}`);
  }
  return terms.reduce((sum, { factor, number }) => sum + factor * number, 0);
}

function factorOf(unit: string, units: Readonly<Record<string, number>>): number {
  if (Object.hasOwn(units, unit)) return units[unit];
  const other = Object.hasOwn(OTHER_NAMES, unit) ? OTHER_NAMES[unit] : "";
  if (Object.hasOwn(units, other)) return units[other];
  const names = Object.keys(units);
  const meant = names.filter((name) => name.toLowerCase() === unit.toLowerCase());
  const hint = meant.length === 1 ? `; did you mean ${meant[0]}?` : "";
  throw new RangeError(`unknown unit "${unit}": use one of ${names.join(", ")}${hint}`);
}

/** "1.5h" -> 5400000 (ms). @throws RangeError saying what to write. */
export function parseDurationMs(text: string): number {
  return parse(text, DURATION_MS, { what: "duration", example: "15s", many: true });
}

/** "64kB" -> 65536 (bytes, rounded). @throws RangeError saying what to write. */
export function parseByteSize(text: string): number {
  return Math.round(parse(text, SIZE_BYTES, { what: "size", example: "64MB", many: false }));
}

function format(value: number, units: Readonly<Record<string, number>>, least: string): string {
  const names = Object.keys(units).filter((name) => units[name] >= units[least]);
  const unit = names.findLast((name) => value >= units[name] && Number.isInteger(value / units[name] * 100)) ?? least;
  return `${value / units[unit]}${unit}`;
}

/** The shortest text that parseDurationMs reads back: 5400000 -> "1.5h". */
export function formatDurationMs(durationMs: number): string {
  return format(durationMs, DURATION_MS, "ms");
}

/** The shortest text that parseByteSize reads back: 65536 -> "64kB". */
export function formatByteSize(byteLength: number): string {
  return format(byteLength, SIZE_BYTES, "B");
}
