import { getDouble, isNull } from "../columnar/access.ts";
import type { Page } from "../columnar/page.ts";
import type { DecodeConfig } from "./options.ts";
import type { TimeUnit } from "./times.ts";

/** Numbers from 1980 to 2100 in their unit; those of different units lie apart. */
const FROM_S = 315_532_800, TO_S = 4_102_444_800;

/** What is odd about the event times of a table's rows. */
export interface OddTimes {
  readonly project: string;
  readonly collection: string;
  readonly rows: number;
  /** Rows whose event time is missing, or isn't a time. */
  readonly untimed: number;
  /** Columns that rows have and that may be meant; empty when every row has an event time. */
  readonly fields: readonly string[];
  /** A number that is a time of today in another unit than the configured one, and that unit; null when none is. */
  readonly suspect: { readonly value: number; readonly unit: TimeUnit } | null;
}

/** Names that events' times have elsewhere, in lower case and without what joins words. */
const LIKELY_NAMES = new Set([
  ...["timestamp", "ts", "time", "eventtime", "eventtimestamp", "datetime", "date", "createdat", "occurredat"],
  ...["sentat", "receivedat", "eventdate", "utctime", "clienttime", "servertime", "epoch", "epochms"],
]);
/** Of a table; names come from records. */
const MAX_FIELDS = 5;

/** Null when every row has an event time, and none looks like one in another unit. */
export function oddTimesOf(
  page: Page,
  { timeField, timeUnit }: Pick<DecodeConfig, "timeField" | "timeUnit">,
): OddTimes | null {
  const { eventTimes, positionCount: rows, columns, table: { project, collection } } = page;
  let untimed = 0, suspect: OddTimes["suspect"] = null;
  for (let row = 0; row < rows; row++) {
    const time = eventTimes[row];
    if (time !== time) untimed++;
    else if (suspect === null && timeUnit === "ms") suspect = inOtherUnit(time);
  }
  if (untimed > 0 && suspect === null && timeUnit === "ms") suspect = nanosecondsOf(page);
  if (untimed === 0 && suspect === null) return null;
  const named = (name: string) => name !== timeField && LIKELY_NAMES.has(name.toLowerCase().replace(/[^a-z]/g, ""));
  const fields = untimed === 0 ? [] : columns.map(({ name }) => name).filter(named).slice(0, MAX_FIELDS);
  return { project, collection, rows, untimed, fields, suspect };
}

/** A time of 1970 or of the year 58,000, read as ms, is one of today in another unit. */
function inOtherUnit(value: number): OddTimes["suspect"] {
  if (value >= FROM_S && value < TO_S) return { value, unit: "s" };
  return value >= FROM_S * 1e6 && value < TO_S * 1e6 ? { value, unit: "us" } : null;
}

/** Nanoseconds are no time in ms: the column has them. */
function nanosecondsOf({ blocks, timeColumn, positionCount }: Page): OddTimes["suspect"] {
  const block = timeColumn < 0 ? undefined : blocks[timeColumn];
  if (block?.type !== "BIGINT" && block?.type !== "DOUBLE") return null;
  for (let row = 0; row < positionCount; row++) {
    if (isNull(block, row)) continue;
    const value = getDouble(block, row);
    if (value >= FROM_S * 1e9 && value < TO_S * 1e9) return { value, unit: "ns" };
  }
  return null;
}

/** Tables that are told apart; the counts of further ones are added to the last. */
const MAX_TABLES = 100;

/** Adds a table's. */
export function addOddTimes(odd: OddTimes[], times: OddTimes): void {
  if (odd.length < MAX_TABLES) return void odd.push(times);
  const last = odd[MAX_TABLES - 1];
  odd[MAX_TABLES - 1] = { ...last, rows: last.rows + times.rows, untimed: last.untimed + times.untimed };
}
