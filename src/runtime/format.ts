/** Numbers for people. Bytes are in powers of 1024, as in the config. */

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** 1234567 -> "1,234,567". */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** Three digits that mean something: 0.123, 1.23, 12.3, 123. */
function threeDigits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3).replace(/\.?0+$/, "");
}

/** 12900000 -> "12.3 MB". */
export function formatBytes(byteLength: number): string {
  let value = byteLength, unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${BYTE_UNITS[unit]}`;
}

/** 65400 (ms) -> "1m 5s". */
export function formatSeconds(durationMs: number): string {
  if (durationMs < 59_950) return `${threeDigits(Math.max(0, durationMs) / 1000)}s`;
  const seconds = Math.round(durationMs / 1000);
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [
    Math.floor(seconds / 60) % 60,
    "m",
  ], [seconds % 60, "s"]] as const;
  const first = parts.findIndex(([value]) => value > 0);
  return parts.slice(first, first + 2).map(([value, unit]) => `${value}${unit}`).join(" ");
}

/** A quantity per second; 0 when no time has passed. */
export function perSecond(quantity: number, durationMs: number): number {
  return durationMs > 0 ? quantity * 1000 / durationMs : 0;
}
