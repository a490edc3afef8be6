import { assertEquals } from "@std/assert";
import { Grouper, type Grouping } from "../../../src/encode/group.ts";
import type { TimeUnit } from "../../../src/encode/key_template.ts";
import { pageOf } from "./pages.ts";

const HOUR_MS = 3_600_000, DAY_MS = 24 * HOUR_MS;
const utc = (...parts: [number, number, number?, number?]) => Date.UTC(...parts);

function page(eventTimes: number[], options: { arrivalTimes?: number[]; project?: string; collection?: string } = {}) {
  return pageOf([], { rowCount: eventTimes.length, eventTimes, ...options });
}

function groups(grouping: Partial<Grouping>, ...pages: ReturnType<typeof page>[]) {
  const grouper = new Grouper({ needsProject: true, needsTable: false, timeUnit: null, ...grouping });
  const runs = new Map<unknown, number[][]>();
  for (const page of grouper.ordered(pages)) {
    for (const { group, start, end } of grouper.runs(page)) {
      runs.set(group, [...runs.get(group) ?? [], [pages.indexOf(page), start, end]]);
    }
  }
  return [...runs];
}

Deno.test("a grouper keeps a page whole when its rows are of one group", () => {
  assertEquals(groups({}, page([5, 1e12, NaN]), page([1]), page([])), [
    [{ project: "shop", collection: null, timeMs: null }, [[0, 0, 3], [1, 0, 1]]],
  ]);
  const hour = [5 * HOUR_MS, 6 * HOUR_MS - 1, 5.5 * HOUR_MS];
  assertEquals(groups({ timeUnit: "hour" }, page(hour)), [
    [{ project: "shop", collection: null, timeMs: 5 * HOUR_MS }, [[0, 0, 3]]],
  ]);
});

Deno.test("a grouper tells projects and tables apart as far as the key does", () => {
  const pages = [
    page([1], { project: "a", collection: "x" }),
    page([1], { project: "a", collection: "y" }),
    page([1], { project: "b", collection: "x" }),
  ];
  const names = (grouping: Partial<Grouping>) =>
    groups(grouping, ...pages).map(([group]) => group as { project: string; collection: string | null })
      .map(({ project, collection }) => `${project}/${collection}`);
  assertEquals(names({}), ["a/null", "b/null"]);
  assertEquals(names({ needsTable: true }), ["a/x", "a/y", "b/x"]);
  assertEquals(names({ needsProject: false }), ["/null"]);
  assertEquals(names({ needsProject: false, needsTable: true }), ["/x", "/y"]);
});

Deno.test("a grouper cuts a page into runs and keeps the rows' order in each group", () => {
  const times = [0, 1, DAY_MS, DAY_MS + 1, 2, DAY_MS - 1, -1];
  assertEquals(groups({ timeUnit: "day" }, page(times), page([3])), [
    [{ project: "shop", collection: null, timeMs: 0 }, [[0, 0, 2], [0, 4, 6], [1, 0, 1]]],
    [{ project: "shop", collection: null, timeMs: DAY_MS }, [[0, 2, 4]]],
    [{ project: "shop", collection: null, timeMs: -DAY_MS }, [[0, 6, 7]]],
  ]);
});

Deno.test("a grouper finds the start of each unit", () => {
  const starts = (timeUnit: TimeUnit, ...times: number[]) =>
    groups({ timeUnit }, page(times)).map(([group]) => (group as { timeMs: number }).timeMs);
  const leap = utc(2024, 1, 29, 23) + HOUR_MS - 1;
  assertEquals(starts("hour", leap), [utc(2024, 1, 29, 23)]);
  assertEquals(starts("day", leap), [utc(2024, 1, 29)]);
  assertEquals(starts("month", leap, utc(2024, 2, 1)), [utc(2024, 1, 1), utc(2024, 2, 1)]);
  assertEquals(starts("month", utc(2024, 11, 31), utc(2025, 0, 31)), [utc(2024, 11, 1), utc(2025, 0, 1)]);
  assertEquals(starts("year", leap, utc(2024, 11, 31), utc(2025, 0, 1)), [utc(2024, 0, 1), utc(2025, 0, 1)]);
  assertEquals(starts("year", -1), [utc(1969, 0, 1)]);
});

Deno.test("a grouper places rows without a usable event time by arrival time, else at 1970", () => {
  const arrivalTimes = [5 * DAY_MS, NaN, 6 * DAY_MS, 6 * DAY_MS, Infinity, 7 * DAY_MS];
  const last = new Date("9999-12-31T23:59:59.999Z").getTime(), first = new Date("0000-01-01T00:00:00Z").getTime();
  const times = [NaN, NaN, last + 1, first - 1, Infinity, last];
  assertEquals(groups({ timeUnit: "day" }, page(times, { arrivalTimes })), [
    [{ project: "shop", collection: null, timeMs: 5 * DAY_MS }, [[0, 0, 1]]],
    [{ project: "shop", collection: null, timeMs: 0 }, [[0, 1, 2], [0, 4, 5]]],
    [{ project: "shop", collection: null, timeMs: 6 * DAY_MS }, [[0, 2, 4]]],
    [{ project: "shop", collection: null, timeMs: last - DAY_MS + 1 }, [[0, 5, 6]]],
  ]);
});
