/** Which rows stand in one object: those of one project, table and span of event time, as far as the key tells them. */
import type { Page } from "../columnar/page.ts";
import type { ObjectGroup } from "../pipeline/messages.ts";
import type { KeyTemplate, TimeUnit } from "../target/key_template.ts";

/** What of a key template decides about groups. */
export type Grouping = Pick<KeyTemplate, "needsProject" | "needsTable" | "timeUnit">;

/** Rows [start, end) of a page that belong to one group. */
export interface RowRun {
  readonly page: Page;
  readonly start: number;
  readonly end: number;
}

/** A group and its rows, in the order of pages and rows. */
export interface GroupRows {
  readonly group: ObjectGroup;
  readonly runs: RowRun[];
}

/** A group as text: the same for groups that are equal. */
export function groupKey({ project, collection, timeMs }: ObjectGroup): string {
  return JSON.stringify([project, collection, timeMs]);
}

/**
 * Sorts the pages' rows into groups, which come in the order of their first rows. Rows without a usable event time are
 * placed by their arrival time, and without one at 1970-01-01: never by the clock, so that the same rows always go to
 * the same object.
 */
export function groupRows(pages: readonly Page[], grouping: Grouping): GroupRows[] {
  const groups = new Map<string, GroupRows>();
  const add = (page: Page, start: number, end: number, timeMs: number | null) => {
    if (start === end) return;
    const group: ObjectGroup = {
      project: grouping.needsProject ? page.table.project : "",
      collection: grouping.needsTable ? page.table.collection : null,
      timeMs,
    };
    const key = groupKey(group);
    const rows = groups.get(key);
    if (rows === undefined) groups.set(key, { group, runs: [{ page, start, end }] });
    else rows.runs.push({ page, start, end });
  };
  for (const page of pages) {
    if (grouping.timeUnit === null) add(page, 0, page.positionCount, null);
    else addRuns(page, grouping.timeUnit, add);
  }
  return [...groups.values()];
}

/** Finds the runs of rows that lie in one span. */
function addRuns(
  page: Page,
  unit: TimeUnit,
  add: (page: Page, start: number, end: number, timeMs: number) => void,
): void {
  let start = 0;
  let span = EMPTY_SPAN;
  for (let row = 0; row < page.positionCount; row++) {
    const timeMs = placedTime(page, row);
    if (timeMs >= span.startMs && timeMs < span.endMs) continue;
    add(page, start, row, span.startMs);
    start = row;
    span = spanOf(timeMs, unit);
  }
  add(page, start, page.positionCount, span.startMs);
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

const EMPTY_SPAN: Span = { startMs: 0, endMs: 0 };
const UNIT_MS = { hour: 3_600_000, day: 86_400_000 };
/** Years 0000 to 9999, which have four digits. */
const MIN_TIME_MS = new Date("0000-01-01T00:00:00Z").getTime();
const MAX_TIME_MS = new Date("9999-12-31T23:59:59.999Z").getTime();

function usable(timeMs: number): boolean {
  return timeMs >= MIN_TIME_MS && timeMs <= MAX_TIME_MS;
}

function placedTime(page: Page, row: number): number {
  const eventTime = page.eventTimes[row];
  if (usable(eventTime)) return eventTime;
  const arrivalTime = page.arrivalTimes[row];
  return usable(arrivalTime) ? arrivalTime : 0;
}

function spanOf(timeMs: number, unit: TimeUnit): Span {
  if (unit === "hour" || unit === "day") {
    const startMs = Math.floor(timeMs / UNIT_MS[unit]) * UNIT_MS[unit];
    return { startMs, endMs: startMs + UNIT_MS[unit] };
  }
  const start = new Date(timeMs);
  start.setUTCHours(0, 0, 0, 0);
  start.setUTCDate(1);
  if (unit === "year") start.setUTCMonth(0);
  const end = new Date(start);
  if (unit === "year") end.setUTCFullYear(end.getUTCFullYear() + 1);
  else end.setUTCMonth(end.getUTCMonth() + 1);
  return { startMs: start.getTime(), endMs: end.getTime() };
}
