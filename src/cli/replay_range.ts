/** The flags that say what to replay -> the range. */
import { parseByteSize, parseDurationMs } from "../config/units.ts";
import type { Rate } from "../replay/rate_limit.ts";
import type { RangeEdge } from "../records/range.ts";
import { type Arguments, type Flag, UsageError } from "./command.ts";

export const RANGE_FLAGS: readonly Flag[] = [
  { name: "from", value: "TIME", doc: "from the first record that arrived at or after this time" },
  { name: "to", value: "TIME", doc: "up to the first record that arrived at or after this time, without it" },
  { name: "last", value: "DURATION", doc: "what arrived in the last 24h, 90m, 7d" },
  {
    name: "until-now",
    doc: "up to the end as it is now; from where the job's last run ended, unless --from says",
  },
  { name: "from-offset", value: "N|P:N,...", doc: "Kafka: from this offset of each partition, or of these partitions" },
  { name: "to-offset", value: "N|P:N,...", doc: "Kafka: up to this offset, without it" },
];

/** What the flags ask for. */
export interface AskedRange {
  readonly from: RangeEdge | null;
  /** Null: the end as it is when the range is fixed. */
  readonly to: RangeEdge | null;
  /** Whether to begin where the job's last run ended. */
  readonly resumes: boolean;
  /** Whether the next run may begin where this one ends. */
  readonly incremental: boolean;
  /** As it is kept and shown: ISO 8601 in UTC, or positions; null: the earliest, the end. */
  readonly fromText: string | null;
  readonly toText: string | null;
  /** False when another run of the same command asks for another range: it ends, or begins, at the time of the run. */
  readonly fixed: boolean;
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?(Z|[+-]\d\d:?\d\d)?$/i;

/**
 * "2026-11-01", "2026-11-01T06:30", "2026-11-01T06:30:15.250+02:00" -> epoch ms. UTC unless it says otherwise, whatever
 * the machine's time zone is.
 *
 * @throws RangeError with what to write.
 */
export function parseTime(text: string): number {
  const match = TIME.exec(text);
  if (match === null) {
    throw new RangeError(`"${text}" is no time: write 2026-11-01, 2026-11-01T06:30Z or 2026-11-01T06:30:00+02:00`);
  }
  const [, ...parts] = match;
  const [year, month, day, hour, minute, second] = parts.slice(0, 6).map((part) => Number(part ?? 0));
  const utc = Date.UTC(year, month - 1, day, hour, minute, second, Number((parts[6] ?? "").padEnd(3, "0")));
  const back = new Date(utc);
  const isDay = back.getUTCFullYear() === year && back.getUTCMonth() === month - 1 && back.getUTCDate() === day;
  if (!isDay || hour > 23 || minute > 59 || second > 59) {
    throw new RangeError(`"${text}" is no time: there is no such day, hour, minute or second`);
  }
  return utc - zoneMs(parts[7] ?? "Z", text);
}

function zoneMs(zone: string, text: string): number {
  if (zone.toUpperCase() === "Z") return 0;
  const hours = Number(zone.slice(1, 3)), minutes = Number(zone.slice(-2));
  if (hours > 18 || minutes > 59) throw new RangeError(`"${text}" is no time: no zone is ${zone} from UTC`);
  return (zone[0] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** "5000" -> records a second, "20MB" -> bytes a second. @throws UsageError */
export function parseRate(text: string): Rate {
  const amount = /^\d+(\.\d+)?$/.test(text) ? Number(text) : usage("--rate", () => parseByteSize(text));
  if (!(amount > 0)) {
    throw new UsageError("--rate must be more than 0: write 5000 (records a second) or 20MB (a second)");
  }
  return { amount, unit: /^[\d.]+$/.test(text) ? "records" : "bytes" };
}

function usage<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`${flag}: ${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * @param nowMs epoch ms.
 * @param whole whether everything that is there is a range (files).
 * @throws UsageError
 */
export function rangeOf(args: Arguments, { nowMs, whole, historical }: {
  nowMs: number;
  whole: boolean;
  historical: boolean;
}): AskedRange {
  checkTogether(args);
  const last = args.value("last");
  if (last !== undefined) {
    const durationMs = usage("--last", () => parseDurationMs(last));
    if (!(durationMs > 0)) throw new UsageError("--last must be more than 0: write --last 24h");
    return asked(Math.max(0, nowMs - durationMs), null, { fixed: false });
  }
  const fromOffset = args.value("from-offset"), toOffset = args.value("to-offset");
  if ((fromOffset ?? toOffset) !== undefined) {
    const edge = (positions?: string) => positions === undefined ? null : { positions };
    const [from, to] = [edge(fromOffset), edge(toOffset)];
    const texts = { fromText: fromOffset ?? null, toText: toOffset ?? null };
    return { from, to, ...texts, resumes: false, incremental: false, fixed: toOffset !== undefined };
  }
  const from = timeOf(args, "from", nowMs), to = timeOf(args, "to", nowMs);
  if (from !== null && to !== null && from >= to) throw new UsageError("--from must be before --to");
  if (from !== null || to !== null) {
    if (to === null && !args.has("until-now")) throw new UsageError("--from needs --to TIME or --until-now");
    // From a time until now: how a job begins that goes on from there each time.
    return { ...asked(from, to, { fixed: to !== null }), incremental: to === null };
  }
  if (args.has("until-now") || historical) {
    return { ...asked(null, null, { fixed: false }), resumes: true, incremental: true };
  }
  if (!whole) throw new UsageError("say what to replay: --from TIME --to TIME, --last 24h or --until-now");
  return asked(null, null, { fixed: true });
}

function asked(fromMs: number | null, toMs: number | null, { fixed }: { fixed: boolean }): AskedRange {
  const edge = (timestampMs: number | null) => timestampMs === null ? null : { timestampMs };
  const text = (timestampMs: number | null) => timestampMs === null ? null : new Date(timestampMs).toISOString();
  const texts = { fromText: text(fromMs), toText: text(toMs) };
  return { from: edge(fromMs), to: edge(toMs), ...texts, resumes: false, incremental: false, fixed };
}

function checkTogether(args: Arguments): void {
  const groups = [["last"], ["from-offset", "to-offset"], ["from", "to"]];
  const given = (flag: string) => args.value(flag) !== undefined;
  const used = groups.map((group) => group.find(given)).filter((flag) => flag !== undefined);
  if (used.length > 1) throw new UsageError(`--${used[0]} and --${used[1]} can't be used together`);
  const other = ["to", "last", "from-offset", "to-offset"].find(given);
  if (args.has("until-now") && other !== undefined) {
    throw new UsageError(`--until-now and --${other} can't be used together`);
  }
}

function timeOf(args: Arguments, flag: "from" | "to", nowMs: number): number | null {
  const text = args.value(flag);
  if (text === undefined) return null;
  const timeMs = usage(`--${flag}`, () => parseTime(text));
  if (timeMs <= nowMs) return timeMs;
  const hint = flag === "to" ? ": write --until-now for all that is there" : "";
  throw new UsageError(`--${flag} ${new Date(timeMs).toISOString()} is in the future${hint}`);
}
