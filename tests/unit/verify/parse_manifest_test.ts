import type { Gap } from "../../../src/records/gap.ts";
import { sealed } from "../../../src/runtime/sealed_json.ts";
import { assertEquals, assertInstanceOf, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ManifestError, parseManifest } from "../../../src/verify/parse_manifest.ts";

const RANGE = {
  ...{ split: "a/0", epoch: "1", start: "0", next: "10", records: 10, recordBytes: 99, rows: 7, deadLetters: 2 },
  ...{ dropped: { empty: 1 }, minTimestamp: "2026-11-01T00:00:00.000Z", maxTimestamp: null },
};
const OBJECT = { key: "p/u.gz", byteLength: 5, rawByteLength: 9, sha256: "ab".repeat(32), rows: 7, tables: [] };
const LETTERS = { key: "_dead-letters/u.gz", byteLength: 3, sha256: "cd".repeat(32), records: 2, codes: {} };
const MANIFEST = { version: 1, unit: "u", trigger: "age", ranges: [RANGE], objects: [OBJECT], deadLetters: LETTERS };

function parse(value: unknown) {
  return parseManifest(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)));
}

Deno.test("parseManifest() reads what an audit needs", () => {
  assertEquals(parse(MANIFEST), {
    ranges: [{
      ...{ split: "a/0", start: "0", next: "10", records: 10, rows: 7, deadLetters: 2, dropped: 1 },
      ...{ minTimestamp: Date.UTC(2026, 10, 1), maxTimestamp: NaN, gaps: [], log: "" },
    }],
    objects: [{ key: "p/u.gz", byteLength: 5, rawByteLength: 9, sha256: "ab".repeat(32), rows: 7 }],
    deadLetters: {
      ...{ key: "_dead-letters/u.gz", byteLength: 3, sha256: "cd".repeat(32), rows: 2, rawByteLength: null },
    },
    contradiction: null,
  });
  const { minTimestamp: _, maxTimestamp: __, ...older } = RANGE;
  assertEquals(parse({ ...MANIFEST, ranges: [older] }).ranges[0].minTimestamp, NaN, "of an earlier collector");
  const gaps: Gap[] = [{ reason: "expired", start: "0", next: "3", records: null }];
  assertEquals(parse({ ...MANIFEST, ranges: [{ ...RANGE, gaps }] }).ranges[0].gaps, gaps);
  const later = JSON.stringify({ ...MANIFEST, later: "fields", ranges: [{ ...RANGE, more: 1 }] });
  assertEquals(parse(sealed(later)).contradiction, null);
});

Deno.test("parseManifest() refuses a manifest that isn't as it was written", () => {
  const text = sealed(JSON.stringify(MANIFEST));
  for (
    const [from, to] of [['"10"', '"11"'], ["cdcd", "cdce"], ["a/0", "a/1"], ["crc32", "crc33"], ['"age"', '"agf"']]
  ) {
    const damaged = text.replace(from, to);
    assertNotEquals(damaged, text);
    const error = assertThrows(() => parse(damaged), ManifestError);
    assertStringIncludes(error.message, "it is damaged");
  }
});

Deno.test("parseManifest() says what is wrong with a manifest", () => {
  const range = (change: object) => ({ ...MANIFEST, ranges: [{ ...RANGE, ...change }] });
  const object = (change: object) => ({ ...MANIFEST, objects: [{ ...OBJECT, ...change }] });
  const cases: [unknown, string][] = [
    ["", "it is no JSON"],
    ["{", "it is no JSON"],
    ["[]", "it isn't an object"],
    ["null", "it isn't an object"],
    [{ ...MANIFEST, version: undefined }, "it has no version"],
    [{ ...MANIFEST, version: "1" }, "it has no version"],
    [{ ...MANIFEST, version: 0 }, "it has no version"],
    [{ ...MANIFEST, ranges: undefined }, "ranges isn't a list"],
    [{ ...MANIFEST, ranges: [] }, "it has no ranges"],
    [{ ...MANIFEST, ranges: [7] }, "one of ranges isn't an object"],
    [{ ...MANIFEST, objects: {} }, "objects isn't a list"],
    [{ ...MANIFEST, deadLetters: undefined }, "deadLetters isn't an object"],
    [range({ split: "" }), "split isn't a text"],
    [range({ gaps: [{ reason: "tired", start: "0", next: "1", records: 1 }] }), "a gap has no reason"],
    [range({ gaps: [{ reason: "expired", start: "2", next: "1", records: 1 }] }), "a range ends before it begins"],
    [range({ gaps: [{ reason: "expired", start: "0", next: "1" }] }), "records isn't a count"],
    [range({ split: "a\0/0" }), "split isn't a text"],
    [range({ start: 0 }), "start isn't a position"],
    [range({ start: "-1" }), "start isn't a position"],
    [range({ next: "1:" }), "next isn't a position"],
    [range({ next: "9".repeat(1000) }), "next isn't a position"],
    [range({ start: "11" }), "a range ends before it begins, at 11"],
    [range({ records: -1 }), "records isn't a count"],
    [range({ rows: 1.5 }), "rows isn't a count"],
    [range({ rows: "7" }), "rows isn't a count"],
    [range({ dropped: { empty: null } }), "dropped isn't a count"],
    [range({ dropped: [] }), "dropped isn't an object"],
    [range({ maxTimestamp: "yesterday" }), "maxTimestamp isn't a time"],
    [range({ maxTimestamp: 12 }), "maxTimestamp isn't a time"],
    [object({ key: undefined }), "key isn't a text"],
    [object({ sha256: "ab" }), "a sha256 isn't one"],
    [object({ byteLength: 2 ** 60 }), "byteLength isn't a count"],
    [{ ...MANIFEST, deadLetters: { ...LETTERS, records: null } }, "records isn't a count"],
  ];
  for (const [value, message] of cases) {
    let error: unknown;
    try {
      parse(value);
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, ManifestError);
    assertStringIncludes((error as Error).message, message);
    assertEquals((error as ManifestError).newer, false);
  }
  try {
    parse(sealed(JSON.stringify({ version: 2, anything: "else" })));
  } catch (error) {
    assertEquals((error as ManifestError).newer, true);
    assertEquals((error as Error).message, "it has version 2, this collector knows 1: update the collector");
  }
});

Deno.test("parseManifest() finds numbers that contradict each other", () => {
  const cases: [object, string | null][] = [
    [{}, null],
    [{ ranges: [{ ...RANGE, records: 11 }] }, "11 records of a/0 became 7 rows, 2 dead letters and 1 dropped ones"],
    [{ objects: [] }, "its ranges have 7 rows, its objects 0"],
    [{ objects: [OBJECT, OBJECT] }, "its ranges have 7 rows, its objects 14"],
    [{ deadLetters: null }, "its ranges have 2 dead letters, its object of them 0"],
    [{ deadLetters: { ...LETTERS, records: 3 } }, "its ranges have 2 dead letters, its object of them 3"],
  ];
  for (const [change, expected] of cases) assertEquals(parse({ ...MANIFEST, ...change }).contradiction, expected);
});
