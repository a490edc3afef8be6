import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { ClaimSweep } from "../../../src/verify/claims.ts";
import { Findings } from "../../../src/verify/findings.ts";
import { decodeRange, encodeClaim, encodeRange } from "../../../src/verify/sort_records.ts";

type Stretch = readonly [start: string, next: string, split?: string];

function sweep(ranges: readonly Stretch[], claims: readonly Stretch[]) {
  const counts = {
    gap: null,
    counted: true,
    records: 0,
    rows: 0,
    deadLetters: 0,
    dropped: 0,
    minTimestamp: NaN,
    maxTimestamp: NaN,
  };
  const records = [
    ...ranges.map(([start, next, split = "a/0"]) =>
      encodeRange({ ...counts, split, start, next, manifest: "m", log: "" })
    ),
    ...claims.map(([start, next, split = "a/0"], i) => encodeClaim({ split, start, next, report: `r${i}` })),
  ].map((record) => Buffer.from(record));
  const findings = new Findings(), claimed = new ClaimSweep(findings);
  for (const record of records.sort((a, b) => Buffer.compare(a, b))) {
    const range = decodeRange(record);
    if ("report" in range) claimed.addClaim(range);
    else claimed.addRange(range);
  }
  claimed.end();
  const found = findings.kept();
  assertEquals([claimed.count, found.every(({ kind }) => kind === "uncovered-replay")], [found.length, true]);
  return found;
}

/** Ranges of manifests; what reports claim; what is missing, and which report is named. */
const CASES: Record<string, [Stretch[], Stretch[], string[]]> = {
  "no reports": [[["0", "10"]], [], []],
  "the same range": [[["0", "10"]], [["0", "10"]], []],
  "ranges that go on from each other": [[["0", "9"], ["9", "100"]], [["5", "100"]], []],
  "one range in several": [[["0", "100"]], [["10", "20"], ["90", "100"]], []],
  "no manifest": [[], [["5", "100"]], ["5-100 r0"]],
  "nothing at the start": [[["10", "100"]], [["9", "100"]], ["9-10 r0"]],
  "nothing at the end": [[["0", "99"]], [["0", "100"]], ["99-100 r0"]],
  "nothing in the middle": [[["0", "9"], ["11", "20"]], [["0", "20"]], ["9-11 r0"]],
  "a gap that nobody claims": [[["0", "9"], ["11", "20"]], [["0", "9"], ["11", "20"]], []],
  "a gap that is claimed in part": [[["0", "10"], ["40", "50"]], [["5", "20"], ["30", "45"]], [
    "10-20 r0",
    "30-40 r1",
  ]],
  "a stretch with ranges of no records in it": [[["0", "2"], ["5", "5"], ["7", "7"]], [["0", "9"]], ["2-9 r0"]],
  "two reports of the same": [[["0", "5"]], [["0", "9"], ["0", "9"]], ["5-9 r0"]],
  "reports that go on from each other": [[["0", "5"]], [["0", "7"], ["7", "9"]], ["5-7 r0", "7-9 r1"]],
  "a report of nothing": [[["0", "5"]], [["9", "9"]], []],
  "a range behind what is claimed": [[["50", "60"]], [["0", "9"]], ["0-9 r0"]],
  "a range in front of what is claimed": [[["0", "9"]], [["50", "60"]], ["50-60 r0"]],
  "sub-positions": [[["5", "5:1"], ["5:2", "6:0"]], [["5:0", "6"]], ["5:1-5:2 r0"]],
  "another split": [[["0", "10", "a/1"]], [["0", "10", "a/0"]], ["0-10 r0"]],
  "several splits": [[["0", "9", "a/0"], ["9", "20", "a/1"], ["0", "9", "c/0"]], [
    ["0", "20", "a/0"],
    ["0", "20", "a/1"],
    ["0", "7", "b/0"],
  ], ["9-20 r0", "0-9 r1", "0-7 r2"]],
};

for (const [title, [ranges, claims, expected]] of Object.entries(CASES)) {
  Deno.test(`claims of reports against ${title}`, () => {
    assertEquals(sweep(ranges, claims).map(({ start, next, key }) => `${start}-${next} ${key}`), expected);
  });
}

Deno.test("an unfulfilled claim says what is missing, and who says so", () => {
  const [{ message, split }] = sweep([["0", "5"]], [["0", "9"]]);
  assertEquals(split, "a/0");
  assertStringIncludes(message, "a/0 from 5 to 9: in no manifest, r0 says that it was read and stored");
});

Deno.test("claims are what a bitmap of positions says, whatever the ranges", () => {
  const interval = fc.tuple(fc.nat(30), fc.nat(8)).map(([start, length]) => [`${start}`, `${start + length}`] as const);
  const intervals = fc.array(interval, { maxLength: 8 });
  const bits = (stretches: readonly (readonly [string, string])[]) => {
    const found = new Array(40).fill(false);
    for (const [start, next] of stretches) found.fill(true, Number(start), Number(next));
    return found;
  };
  fc.assert(
    fc.property(intervals, intervals, (ranges, claims) => {
      const covered = bits(ranges), missing = bits(claims).map((claimed, i) => claimed && !covered[i]);
      const found = sweep(ranges, claims);
      assertEquals(bits(found.map(({ start, next }) => [start!, next!])), missing);
      for (const { start, next, key } of found) {
        const [from] = claims[Number(key!.slice(1))];
        assertEquals(
          Number(from) <= Number(start) && Number(start) < Number(next),
          true,
          "it is claimed by that report",
        );
      }
    }),
    { seed: 3, numRuns: 1500 },
  );
});
