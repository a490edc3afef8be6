/** Which rows stand in one object: those of one project, table and span of event time, as far as the key tells them. */
import type { Page } from "../columnar/page.ts";
import type { ObjectGroup } from "./piece.ts";
import type { KeyTemplate, TimeUnit } from "./key_template.ts";

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
  for (const page of pages) {
    const groupAt = groupFinder(groups, page, grouping);
    if (page.positionCount === 0) continue;
    if (grouping.timeUnit === null) groupAt(null).runs.push({ page, start: 0, end: page.positionCount });
    else addRuns(page, grouping.timeUnit, groupAt);
  }
  return [...groups.values()];
}

/** Finds or makes a page's group of a time; asked often for few times. */
function groupFinder(groups: Map<string, GroupRows>, { table }: Page, { needsProject, needsTable }: Grouping) {
  const byTime = new Map<number | null, GroupRows>();
  return (timeMs: number | null): GroupRows => {
    let rows = byTime.get(timeMs);
    if (rows !== undefined) return rows;
    const project = needsProject ? table.project : "", collection = needsTable ? table.collection : null;
    const group: ObjectGroup = { project, collection, timeMs };
    const key = groupKey(group);
    rows = groups.get(key);
    if (rows === undefined) groups.set(key, rows = { group, runs: [] });
    byTime.set(timeMs, rows);
    return rows;
  };
}

/** Finds the runs of rows that lie in one span. */
function addRuns(page: Page, unit: TimeUnit, groupAt: (timeMs: number) => GroupRows): void {
  let start = 0, time = placedTime(page, 0), span = spanOf(time, unit);
  for (let row = 1; row < page.positionCount; row++) {
    time = placedTime(page, row);
    if (time >= span.startMs && time < span.endMs) continue;
    groupAt(span.startMs).runs.push({ page, start, end: row });
    start = row;
    span = spanOf(time, unit);
  }
  groupAt(span.startMs).runs.push({ page, start, end: page.positionCount });
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

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
