/** Which rows stand in one object: those of one project, table and span of event time, as far as the key tells them. */
import type { Page } from "../columnar/page.ts";
import type { ObjectGroup } from "./piece.ts";
import type { KeyTemplate, TimeUnit } from "./key_template.ts";

/** What of a key template decides about groups. */
export type Grouping = Pick<KeyTemplate, "needsProject" | "needsTable" | "timeUnit">;

/** Rows [start, end) of a page that belong to one group. */
export interface RowRun {
  readonly group: ObjectGroup;
  readonly start: number;
  readonly end: number;
}

/** A group as text: the same for groups that are equal. */
export function groupKey({ project, collection, timeMs }: ObjectGroup): string {
  return JSON.stringify([project, collection, timeMs]);
}

/**
 * Tells which group rows belong to; equal groups are one object. Rows without a usable event time are placed by their
 * arrival time, and without one at 1970-01-01: never by the clock, so that the same rows always go to the same object.
 */
export class Grouper {
  readonly #grouping: Grouping;
  readonly #groups = new Map<string, Map<number | null, ObjectGroup>>();

  constructor(grouping: Grouping) {
    this.#grouping = grouping;
  }

  /** The pages in the order given, but that those of one group follow each other where a page has but one. */
  ordered(pages: readonly Page[]): Page[] {
    if (this.#grouping.timeUnit !== null) return [...pages];
    const byGroup = new Map<ObjectGroup, Page[]>();
    for (const page of pages) {
      const group = this.#groupAt(page, null);
      const found = byGroup.get(group);
      if (found === undefined) byGroup.set(group, [page]);
      else found.push(page);
    }
    return [...byGroup.values()].flat();
  }

  /** A page's rows, in their order, as runs of one group each. */
  *runs(page: Page): Generator<RowRun> {
    const unit = this.#grouping.timeUnit, { positionCount } = page;
    if (positionCount === 0) return;
    if (unit === null) return yield { group: this.#groupAt(page, null), start: 0, end: positionCount };
    let start = 0, span = spanOf(placedTime(page, 0), unit);
    for (let row = 1; row < positionCount; row++) {
      const time = placedTime(page, row);
      if (time >= span.startMs && time < span.endMs) continue;
      yield { group: this.#groupAt(page, span.startMs), start, end: row };
      start = row;
      span = spanOf(time, unit);
    }
    yield { group: this.#groupAt(page, span.startMs), start, end: positionCount };
  }

  #groupAt({ table }: Page, timeMs: number | null): ObjectGroup {
    const { needsProject, needsTable } = this.#grouping;
    const project = needsProject ? table.project : "", collection = needsTable ? table.collection : null;
    const key = collection === null ? project : `${project}\n${collection}`;
    let byTime = this.#groups.get(key);
    if (byTime === undefined) this.#groups.set(key, byTime = new Map());
    let group = byTime.get(timeMs);
    if (group === undefined) byTime.set(timeMs, group = { project, collection, timeMs });
    return group;
  }
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
