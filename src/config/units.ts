/** Durations and sizes as airlift writes them: a number and a unit, case-sensitive, unit required, powers of 1024. */

const PATTERN = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*$/;

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

function parse(text: string, units: Readonly<Record<string, number>>, what: string): number {
  const match = PATTERN.exec(text);
  if (match === null) {
    throw new RangeError(`not a ${what}: write a number and a unit, as in ${what === "size" ? "64MB" : "15s"}`);
  }
  const unit = match[2];
  if (!Object.hasOwn(units, unit)) {
    const names = Object.keys(units);
    const meant = names.filter((name) => name.toLowerCase() === unit.toLowerCase());
    const hint = meant.length === 1 ? `; did you mean ${meant[0]}?` : "";
    throw new RangeError(`unknown unit "${unit}": use one of ${names.join(", ")}${hint}`);
  }
  return Number(match[1]) * units[unit];
}

/** "1.5h" -> 5400000 (ms). @throws RangeError saying what to write. */
export function parseDurationMs(text: string): number {
  return parse(text, DURATION_MS, "duration");
}

/** "64kB" -> 65536 (bytes, rounded). @throws RangeError saying what to write. */
export function parseByteSize(text: string): number {
  return Math.round(parse(text, SIZE_BYTES, "size"));
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
