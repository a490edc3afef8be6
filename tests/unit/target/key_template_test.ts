import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { ObjectGroup } from "../../../src/encode/piece.ts";
import {
  escapeName,
  MAX_NAME_BYTES,
  MAX_PREFIX_BYTES,
  MAX_SEGMENT_BYTES,
  objectKey,
  parseKeyTemplate,
} from "../../../src/encode/key_template.ts";

const TIME_MS = Date.UTC(2026, 10, 1, 7);
const group = (fields: Partial<ObjectGroup> = {}): ObjectGroup => ({
  project: "shop",
  collection: "page_view",
  timeMs: TIME_MS,
  ...fields,
});

Deno.test("a template renders names and UTC times", () => {
  const table: [string, string][] = [
    ["{project}", "shop"],
    ["{project}/{table}", "shop/page_view"],
    ["{project}/{table}/dt={date}/hour={hour}", "shop/page_view/dt=2026-11-01/hour=07"],
    ["y={year}/m={month}/d={day}/h={hour}", "y=2026/m=11/d=01/h=07"],
    ["{date}", "2026-11-01"],
    ["{year}{month}{day}-{project}.v1", "20261101-shop.v1"],
    ["events", "events"],
    ["raw/p={project}/{date}-{hour}", "raw/p=shop/2026-11-01-07"],
    ["a@b:c+d,e_f.g-h/{project}", "a@b:c+d,e_f.g-h/shop"],
  ];
  for (const [template, key] of table) assertEquals(parseKeyTemplate(template).render(group()), key);
  assertEquals(parseKeyTemplate("{date}/{hour}").render(group({ timeMs: -1 })), "1969-12-31/23");
});

Deno.test("a template says what the rows' groups must tell", () => {
  const needs = (text: string) => {
    const { needsProject, needsTable, timeUnit } = parseKeyTemplate(text);
    return [needsProject, needsTable, timeUnit];
  };
  assertEquals(needs("{project}"), [true, false, null]);
  assertEquals(needs("all/{table}"), [false, true, null]);
  assertEquals(needs("{project}/{date}"), [true, false, "day"]);
  assertEquals(needs("{project}/{date}/{hour}"), [true, false, "hour"]);
  assertEquals(needs("{year}"), [false, false, "year"]);
  assertEquals(needs("{year}-{month}"), [false, false, "month"]);
  assertEquals(needs("{year}/{month}/{day}"), [false, false, "day"]);
});

Deno.test("a template that can't be used is refused with what to write", () => {
  const table: [string, string][] = [
    ["", "is empty: write {project}"],
    [
      "{projekt}",
      "unknown placeholder {projekt}: known are {project}, {table}, {date}, {hour}, {year}, {month}, {day}",
    ],
    ["{}", "unknown placeholder {}"],
    ["{Project}", "unknown placeholder {Project}"],
    ["{toString}", "unknown placeholder {toString}"],
    ["{project", 'has a "{" without its partner'],
    ["project}", 'has a "}" without its partner'],
    ["{{project}}", 'has a "{" without its partner'],
    ["/{project}", "has an empty segment"],
    ["{project}/", "has an empty segment"],
    ["a//{project}", "has an empty segment"],
    ["..", 'begins with "."'],
    ["{project}/../x", 'begins with "."'],
    ["./x", 'begins with "."'],
    ["_manifests/{project}", 'begins with "_": readers skip such names'],
    [".hidden/{project}", 'begins with "."'],
    ["a b/{project}", 'may not hold " "'],
    ["a\\b", 'may not hold "\\\\"'],
    ["é", 'may not hold "é"'],
    ["100%", 'may not hold "%"'],
    ["a\u0000", "may not hold"],
    ["~{project}", 'may not hold "~"'],
    ["{project}-{table}", "holds two names"],
    ["{project}{date}{table}", "holds two names"],
    ["{project}/{hour}", "{hour} needs {date} as well"],
    ["{month}", "{month} needs {year} as well"],
    ["{day}", "{day} needs {year} and {month} as well"],
    [`${"x".repeat(100)}{project}`, "a segment that may become longer than 240 bytes"],
    ["{project}/{table}/{project}/{table}/{project}", "may become longer than 720 bytes"],
  ];
  for (const [template, message] of table) assertThrows(() => parseKeyTemplate(template), RangeError, message);
});

Deno.test("escapeName() keeps what is plain and encodes the rest", () => {
  const table: [string, string][] = [
    ["shop", "shop"],
    ["Page_View-2.0", "Page_View-2.0"],
    [".", "%2E"],
    ["..", "%2E."],
    ["_manifests", "%5Fmanifests"],
    [".hidden", "%2Ehidden"],
    ["a/b", "a%2Fb"],
    ["../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"],
    ["a\\b", "a%5Cb"],
    ["dt=2026", "dt%3D2026"],
    ["a%2Fb", "a%252Fb"],
    ["a b ", "a%20b%20"],
    ["\u0000", "%00"],
    ["é😀", "%C3%A9%F0%9F%98%80"],
    ["~", "%7E"],
    ["", "~"],
  ];
  for (const [name, escaped] of table) assertEquals(escapeName(name), escaped);
});

Deno.test("escapeName() cuts long names between characters and tells them apart", () => {
  const long = [
    "x".repeat(161),
    "x".repeat(162),
    `${"x".repeat(200)}y`,
    "é".repeat(100),
    `a${"é".repeat(100)}`,
    `ab${"é".repeat(100)}`,
  ];
  const escaped = long.map(escapeName);
  assertEquals(new Set(escaped).size, long.length);
  for (const name of escaped) {
    assert(name.length <= MAX_NAME_BYTES);
    assertMatch(name, /^([A-Za-z0-9_.-]|%[0-9A-F]{2})*~[0-9a-f]{32}$/);
  }
  assertEquals(escapeName("x".repeat(160)), "x".repeat(160));
});

const ANY_NAME = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 120 }),
  fc.array(
    fc.constantFrom(
      "a",
      "A",
      "/",
      "..",
      ".",
      "_",
      "%",
      "2",
      "F",
      "~",
      "=",
      "\ud800",
      "\udc00",
      "\ufffd",
      "\u0000",
      "é",
      " ",
    ),
  )
    .map((parts) => parts.join("")),
  fc.constantFrom("_manifests", "_dead-letters", "", "-", "constructor"),
);
const SAFE_SEGMENT = /^[A-Za-z0-9%~=-][A-Za-z0-9%~=_.-]*$/;

Deno.test("no name leaves its segment, hides it, or makes it too long", () => {
  const template = parseKeyTemplate("{project}/{table}/dt={date}/{project}.v1");
  fc.assert(
    fc.property(ANY_NAME, ANY_NAME, (project, collection) => {
      const segments = template.render(group({ project, collection })).split("/");
      assertEquals(segments.length, 4);
      for (const segment of segments) {
        assertMatch(segment, SAFE_SEGMENT);
        assert(segment.length <= MAX_SEGMENT_BYTES);
      }
      assert(segments.join("/").length <= MAX_PREFIX_BYTES);
    }),
    { seed: 1, numRuns: 3000 },
  );
});

Deno.test("different names never give the same segment", () => {
  fc.assert(
    fc.property(ANY_NAME, ANY_NAME, (one, other) => (escapeName(one) === escapeName(other)) === (one === other)),
    { seed: 2, numRuns: 5000 },
  );
  const seen = new Map<string, string>();
  const chars = ["a", "_", ".", "/", "%", "2", "F", "~", "\ud83d", "\ude00", "\ufffd", "é"];
  for (const a of ["", ...chars]) {
    for (const b of ["", ...chars]) {
      for (const c of ["", ...chars]) {
        const name = a + b + c, escaped = escapeName(name);
        assertEquals(seen.get(escaped) ?? name, name);
        seen.set(escaped, name);
      }
    }
  }
});

Deno.test("different groups never give the same prefix", () => {
  const small = fc.constantFrom("a", "b", "a/b", "a%2Fb", "a-b", "ab", "", "A");
  const groups = fc.record({
    project: small,
    collection: small,
    timeMs: fc.integer({ min: 0, max: 40 }).map((n) => TIME_MS + n * 3_600_000),
  });
  for (
    const text of [
      "{project}/{table}/{date}/{hour}",
      "{date}{hour}{project}/{table}x",
      "x{table}/{year}{month}{day}{project}-{hour}",
    ]
  ) {
    const { render } = parseKeyTemplate(text);
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        const same = one.project === other.project && one.collection === other.collection &&
          one.timeMs === other.timeMs;
        return (render(one) === render(other)) === same;
      }),
      { seed: 3, numRuns: 3000 },
    );
  }
});

Deno.test("objectKey() joins prefix, unit, part and extension, and sorts as parts do", () => {
  const key = (part: number) =>
    objectKey({ prefix: "shop/dt=2026-11-01", unitName: "events-0-100", part, extension: ".ndjson.gz" });
  assertEquals(key(0), "shop/dt=2026-11-01/events-0-100-0000.ndjson.gz");
  assertEquals(key(12_345), "shop/dt=2026-11-01/events-0-100-12345.ndjson.gz");
});

Deno.test("the longest key has less than 900 bytes", () => {
  const template = parseKeyTemplate(`${"x".repeat(50)}/${"{project}/{table}/".repeat(2)}dt={date}/{hour}`);
  const long = "é".repeat(500);
  const prefix = template.render(group({ project: long, collection: long }));
  assert(objectKey({ prefix, unitName: "u".repeat(120), part: 123_456, extension: ".ndjson.gz" }).length < 900);
});
