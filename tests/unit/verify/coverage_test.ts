import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { CoverageSweep, type Reach, type SplitReport } from "../../../src/verify/coverage.ts";
import { Findings } from "../../../src/verify/findings.ts";
import { decodeRange, encodeRange, type ListedRange, stretchesOf } from "../../../src/verify/sort_records.ts";

function range(
  split: string,
  start: string,
  next: string,
  times: [number, number] = [NaN, NaN],
  name = "",
  log = "",
): ListedRange {
  return {
    ...{ split, start, next, manifest: `m${name || start}`, records: 10, rows: 7, deadLetters: 2, dropped: 1 },
    ...{ minTimestamp: times[0], maxTimestamp: times[1], gap: null, counted: true, log },
  };
}

function sweep(
  ranges: readonly ListedRange[],
  { committed = null, acceptUncovered = false, acceptLoss = false }: {
    committed?: ReadonlyMap<string, string> | null;
    acceptUncovered?: boolean;
    acceptLoss?: boolean;
  } = {},
) {
  const findings = new Findings();
  const splits: SplitReport[] = [], reaches: Reach[] = [];
  const coverage = new CoverageSweep({
    ...{ findings, committed, acceptUncovered, acceptLoss },
    report: (split, reach) => void (splits.push(split), reach && reaches.push(reach)),
  });
  const records = ranges.map((range) => new TextEncoder().encode(encodeRange(range)));
  for (const record of records.sort((a, b) => compare(a, b))) coverage.add(decodeRange(record) as ListedRange);
  coverage.end();
  return { findings: findings.kept(), splits, reaches };
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1);
}

/** Ranges of one split; what is covered; what is found. */
const CASES: Record<string, [[string, string][], string, string[]]> = {
  "one range": [[["0", "10"]], "0-10", []],
  "ranges that follow each other, in any order": [[["7", "30"], ["0", "7"], ["30", "100"]], "0-100", []],
  "a gap": [[["0", "10"], ["12", "20"]], "0-10 12-20", ["gap 10-12"]],
  "gaps of one position, at numbers of different length": [
    [["0", "9"], ["10", "99"], ["100", "101"]],
    "0-9 10-99 100-101",
    ["gap 9-10", "gap 99-100"],
  ],
  "the same range twice": [[["0", "10"], ["0", "10"]], "0-10", ["overlap 0-10"]],
  "an overlap": [[["0", "10"], ["5", "20"]], "0-20", ["overlap 5-10"]],
  "a range within another, and one that follows that": [[["0", "10"], ["2", "5"], ["10", "12"]], "0-12", [
    "overlap 2-5",
  ]],
  "a range within another, and what follows the inner one only": [
    [["0", "10"], ["2", "5"], ["5", "8"]],
    "0-10",
    ["overlap 2-5", "overlap 5-8"],
  ],
  "a range that another one covers in parts, and a gap": [
    [["0", "10"], ["0", "4"], ["4", "8"], ["11", "12"]],
    "0-10 11-12",
    ["overlap 0-4", "overlap 4-8", "gap 10-11"],
  ],
  "three of the same": [[["0", "3"], ["0", "3"], ["0", "3"]], "0-3", ["overlap 0-3", "overlap 0-3"]],
  "an empty range within another": [[["0", "10"], ["5", "5"]], "0-10", []],
  "an empty range at the end": [[["0", "10"], ["10", "10"]], "0-10", []],
  "an empty range behind a gap": [[["0", "10"], ["12", "12"]], "0-10 12-12", ["gap 10-12"]],
  "sub-positions": [[["5", "5:1"], ["5:1", "7:3"], ["7:3", "8"]], "5-8", []],
  "sub-positions of zero": [[["5:0", "6:0"], ["6", "7:0:0"], ["7", "8"]], "5:0-8", []],
  "a gap of sub-positions": [[["5", "5:1"], ["5:2", "6"]], "5-5:1 5:2-6", ["gap 5:1-5:2"]],
  "sequence numbers beyond doubles": [
    [[
      "49572345678901234567890123456789012345678901234567890123:1",
      "49572345678901234567890123456789012345678901234567890124:1",
    ], [
      "49572345678901234567890123456789012345678901234567890124:2",
      "9".repeat(64),
    ]],
    `49572345678901234567890123456789012345678901234567890123:1-49572345678901234567890123456789012345678901234567890124:1 ` +
    `49572345678901234567890123456789012345678901234567890124:2-${"9".repeat(64)}`,
    [
      "gap 49572345678901234567890123456789012345678901234567890124:1-" +
      "49572345678901234567890123456789012345678901234567890124:2",
    ],
  ],
};

for (const [title, [ranges, covered, expected]] of Object.entries(CASES)) {
  Deno.test(`coverage of ${title}`, () => {
    const { splits: [split], findings } = sweep(
      ranges.map(([start, next], i) => range("a/0", start, next, [NaN, NaN], `${i}`)),
    );
    assertEquals(split.covered.map(({ start, next }) => `${start}-${next}`).join(" "), covered);
    const found = findings.map(({ kind, start, next }) => `${kind} ${start}-${next}`);
    assertEquals(found.sort(), expected.toSorted());
    assertEquals(
      [split.gaps, split.overlaps],
      ["gap", "overlap"].map((kind) => found.filter((f) => f.startsWith(kind)).length),
    );
    assertEquals(
      [split.units, split.records, split.rows, split.deadLetters, split.dropped],
      [1, 10, 7, 2, 1].map((n) => n * ranges.length),
    );
  });
}

Deno.test("coverage is what a bitmap of positions says, whatever the ranges", () => {
  const interval = fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 8 }));
  fc.assert(
    fc.property(fc.array(interval, { minLength: 1, maxLength: 12 }), (intervals) => {
      const { splits: [split], findings } = sweep(
        intervals.map(([start, length], i) => range("a/0", `${start}`, `${start + length}`, [NaN, NaN], `${i}`)),
      );
      const times = new Array(40).fill(0);
      for (const [start, length] of intervals) for (let i = start; i < start + length; i++) times[i]++;
      const positions = (parts: readonly { start?: string; next?: string }[]) => {
        const found = new Array(40).fill(false);
        for (const { start, next } of parts) found.fill(true, Number(start), Number(next));
        return found;
      };
      const first = times.findIndex((n) => n > 0), last = times.findLastIndex((n) => n > 0);
      assertEquals(positions(split.covered), times.map((n) => n > 0));
      const gaps = findings.filter(({ kind }) => kind === "gap"),
        overlaps = findings.filter(({ kind }) => kind === "overlap");
      assertEquals(positions(gaps), times.map((n, i) => n === 0 && i > first && i < last));
      assertEquals(positions(overlaps), times.map((n) => n > 1));
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("coverage is kept apart by split, and compared with what is committed", () => {
  const committed = new Map([["a/0", "20"], ["a/1", "21"], ["a/10", "5"], ["b/0", "7"], ["c/0", "0"], ["d/0", "0:0"]]);
  const ranges = [range("a/0", "0", "20"), range("a/1", "0", "20"), range("a/10", "0", "20"), range("e/0", "1", "2")];
  const { splits, findings } = sweep(ranges, { committed });
  assertEquals(splits.map(({ split, committed, beyond }) => [split, committed, beyond]), [
    ["a/0", "20", false],
    ["a/1", "21", true],
    ["a/10", "5", false],
    ["e/0", null, false],
  ]);
  assertEquals(findings.map(({ kind, split, start, next }) => [kind, split, start, next]), [
    ["committed-beyond", "a/1", "20", "21"],
    ["uncovered-split", "b/0", undefined, "7"],
  ]);
  assertEquals(sweep(ranges, { committed, acceptUncovered: true }).findings.map(({ kind }) => kind), [
    "committed-beyond",
  ]);
  assertEquals(sweep(ranges).findings, []);
});

Deno.test("a gap that nothing is committed behind is pending, any other is a gap", () => {
  const ranges = [range("a/0", "0", "10"), range("a/0", "20", "30"), range("a/0", "40", "50")];
  const cases: [string, string[]][] = [
    ["0", ["pending-gap 10", "pending-gap 30"]],
    ["10", ["pending-gap 10", "pending-gap 30"]],
    ["11", ["gap 10", "pending-gap 30"]],
    ["30", ["gap 10", "pending-gap 30"]],
    ["40", ["gap 10", "gap 30"]],
  ];
  for (const [position, expected] of cases) {
    const { findings, splits: [split] } = sweep(ranges, { committed: new Map([["a/0", position]]) });
    assertEquals(findings.map(({ kind, start }) => `${kind} ${start}`), expected, position);
    const pending = expected.filter((text) => text.startsWith("pending")).length;
    assertEquals([split.gaps, split.pendingGaps], [2 - pending, pending]);
  }
  const elsewhere = sweep(ranges, { committed: new Map([["a/1", "0"]]) });
  assertEquals(elsewhere.findings.map(({ kind }) => kind), ["gap", "gap"], "of a split that nobody knows it of");
});

Deno.test("a split with many gaps is reported with the first parts and all counts", () => {
  const ranges = Array.from({ length: 2000 }, (_, i) => range("a/0", String(3 * i), String(3 * i + 2)));
  const { splits: [split], findings } = sweep(ranges);
  assertEquals([split.covered.length, split.coveredCount, split.gaps], [20, 2000, 1999]);
  assertEquals(split.covered[19], { start: "57", next: "59" });
  assertEquals(findings.length, 1000, "findings are bounded");
});

Deno.test("a split reaches as far as it is covered without a gap", () => {
  const cases: [ListedRange[], string, string, number, number][] = [
    [[range("a/0", "0", "5", [100, 200])], "5", "5", 100, 200],
    [[range("a/0", "0", "5", [100, 200]), range("a/0", "5", "9", [150, 180])], "9", "9", 100, 200],
    [[range("a/0", "0", "5", [100, 200]), range("a/0", "6", "9", [50, 300])], "5", "9", 50, 200],
    [[range("a/0", "0", "5"), range("a/0", "5", "9", [1, 2])], "9", "9", 1, 2],
    [
      [range("a/0", "0", "5", [1, 2]), range("a/0", "3", "9", [3, 4]), range("a/0", "20", "30", [5, 6])],
      "9",
      "30",
      1,
      4,
    ],
    [[range("a/0", "0", "5")], "5", "5", NaN, NaN],
  ];
  for (const [ranges, next, end, minTimestamp, maxTimestamp] of cases) {
    assertEquals(sweep(ranges).reaches, [{ split: "a/0", next, end, minTimestamp, maxTimestamp }]);
  }
});

/** A range that was read but for these gaps: from, to, how many records. */
function behindGaps(start: string, next: string, gaps: [string, string, number | null][], name = ""): ListedRange[] {
  const { gap: _, counted: __, manifest, ...read } = range("a/0", start, next, [100, 200], name);
  const named = gaps.map(([start, next, records]) => ({ reason: "expired", start, next, records } as const));
  return stretchesOf({ ...read, gaps: named }, manifest);
}

/** Ranges; what is covered; what is found; expired stretches, records in them, and stretches of nobody knows how many. */
const LOSSES: Record<string, [ListedRange[], string, string[], [number, number, number]]> = {
  "in the middle": [behindGaps("0", "30", [["10", "20", 10]]), "0-10 20-30", ["expired 10-20"], [1, 10, 0]],
  "at the beginning": [behindGaps("0", "30", [["0", "20", 20]]), "20-30", ["expired 0-20"], [1, 20, 0]],
  "at the end": [behindGaps("0", "30", [["20", "30", 10]]), "0-20", ["expired 20-30"], [1, 10, 0]],
  "of nobody knows how many": [behindGaps("0", "30", [["5", "6", null]]), "0-5 6-30", ["expired 5-6"], [1, 0, 1]],
  "of the whole range": [behindGaps("0", "30", [["0", "30", 30]]), "30-30", ["expired 0-30"], [1, 30, 0]],
  "of several stretches": [
    behindGaps("0", "30", [["5", "6", 1], ["8", "10", 2]]),
    "0-5 6-8 10-30",
    ["expired 5-6", "expired 8-10"],
    [2, 3, 0],
  ],
  "that another range has after all": [
    [...behindGaps("0", "30", [["10", "20", 10]]), range("a/0", "10", "20")],
    "0-30",
    [],
    [0, 0, 0],
  ],
  "that another range has in part": [
    [...behindGaps("0", "30", [["10", "20", 10]]), range("a/0", "12", "15")],
    "0-10 12-15 20-30",
    ["expired 10-12", "expired 15-20"],
    [2, 0, 2],
  ],
  "that is told twice": [
    [...behindGaps("0", "20", [["10", "20", 10]]), ...behindGaps("10", "30", [["10", "20", 10]], "again")],
    "0-10 20-30",
    ["expired 10-20"],
    [1, 10, 0],
  ],
  "beside what is in no manifest": [
    [...behindGaps("0", "20", [["10", "20", 10]]), range("a/0", "25", "30")],
    "0-10 25-30",
    ["expired 10-20", "pending-gap 20-25"],
    [1, 10, 0],
  ],
  "that reaches beyond its range": [behindGaps("0", "10", [["10", "20", null]]), "0-10", ["expired 10-20"], [1, 0, 1]],
};

for (const [title, [ranges, covered, expected, [expired, records, unknown]]] of Object.entries(LOSSES)) {
  Deno.test(`coverage of a loss ${title}`, () => {
    const committed = new Map([["a/0", "10"]]);
    const { splits: [split], findings, reaches: [reach] } = sweep(ranges, { committed });
    assertEquals(split.covered.map(({ start, next }) => `${start}-${next}`).join(" "), covered);
    assertEquals(findings.map(({ kind, start, next }) => `${kind} ${start}-${next}`).sort(), expected);
    assertEquals(split.gone, { expired, skipped: 0, records, unknown });
    assertEquals(split.units, new Set(ranges.map(({ manifest }) => manifest)).size);
    assertEquals(reach.next, expected.length === 0 ? reach.end : expected[0].match(/\d+/)![0], "holds hours back");
    const accepted = sweep(ranges, { committed, acceptLoss: true });
    const found = accepted.findings.map(({ kind }) => kind);
    assertEquals(
      found.filter((kind) => kind !== "pending-gap").every((kind) => kind === "accepted-loss"),
      true,
      found.join(),
    );
    if (!found.includes("pending-gap")) assertEquals(accepted.reaches[0].next, accepted.reaches[0].end);
  });
}

Deno.test("CoverageSweep holds logs of one name apart: what one lacks isn't in another, and nothing is there twice", () => {
  const of = (log: string, start: string, next: string) => range("a/0", start, next, [NaN, NaN], "", log);
  const ranges = [of("old", "0", "100"), of("new", "0", "50"), of("new", "60", "300")];
  const { findings, splits, reaches } = sweep(ranges, { committed: new Map([["a/0", "300"]]) });
  assertEquals(findings.map(({ kind, start, next }) => [kind, start, next]), [["gap", "50", "60"]]);
  assertEquals(splits.map(({ covered }) => covered.length), [1, 2]);
  assertEquals(reaches.map(({ end }) => end), ["300"]);
});

Deno.test("manifests that name no log are the beginning of the one that goes on behind them", () => {
  const named = (start: string, next: string, log: string) => ({ ...range("a/0", start, next), log });
  const whole = sweep([named("0", "100", ""), named("100", "200", "x")]);
  assertEquals([whole.findings, whole.splits.length], [[], 1]);
  const gap = sweep([named("0", "100", ""), named("150", "200", "x")]);
  assertEquals(gap.findings.map(({ kind, start, next }) => [kind, start, next]), [["gap", "100", "150"]]);
  // A topic made anew begins before their end: that is another log, and covers nothing of the first one.
  const anew = sweep([named("0", "100", ""), named("0", "300", "y"), named("120", "200", "x")]);
  assertEquals(anew.findings.map(({ kind, start, next }) => [kind, start, next]), [["gap", "100", "120"]]);
});
