import { parseSealed } from "../../../src/runtime/sealed_json.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../../src/runtime/errors.ts";
import type { Reach } from "../../../src/verify/coverage.ts";
import {
  askedPositions,
  completeHours,
  type Completeness,
  endOfHours,
  markerKey,
  writeMarkers,
} from "../../../src/verify/hour_markers.ts";
import { HOUR_MS, Losses } from "../../../src/verify/losses.ts";
import { MemoryTarget } from "../../support/memory_target.ts";
import { testRuntime } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const START = Date.UTC(2026, 10, 1);

/** Epoch ms of "05:59" on the first day. */
function at(time: string): number {
  const [hour, minute] = time.split(":").map(Number);
  return START + (hour * 60 + minute) * 60_000;
}

function reach(split: string, first: string, last: string, options: Partial<Reach> = {}): Reach {
  return { split, next: "10", end: "10", minTimestamp: at(first), maxTimestamp: at(last), ...options };
}

function known(reaches: readonly Reach[], options: Partial<Completeness> = {}): Completeness {
  return {
    ...{ reaches, committed: new Map(), acceptUncovered: false, losses: new Losses(), latenessMs: 0 },
    ends: ends("23:00", ...reaches.map(({ split }) => split)), // none is at its end
    ...options,
  };
}

/** The hours of the day that are complete, of one parent. */
function hours(completeness: Completeness, parent = "t"): number[] {
  const found = completeHours(completeness).find((one) => one.parent === parent);
  return (found?.hours ?? []).map((hour) => hour - START / HOUR_MS);
}

const ends = (askedAt: string, ...unread: string[]) => ({
  askedMs: at(askedAt),
  parents: new Set(["t", "u", "v"]),
  unread: new Set(unread),
});
const committed = (...positions: [string, string][]) => new Map(positions);

/** What is known, and the hours that are complete then. */
const CASES: Record<string, [Completeness, number[]]> = {
  "nothing": [known([]), []],
  "a split that is covered past an hour": [known([reach("t/0", "03:10", "05:00")]), [3, 4]],
  "a split that is not quite covered past an hour": [known([reach("t/0", "03:10", "04:59")]), [3]],
  "a record at the very end of an hour": [known([reach("t/0", "03:00", "04:00")]), [3]],
  "records that may stand behind later ones": [
    known([reach("t/0", "03:10", "05:04")], { latenessMs: 5 * 60_000 }),
    [3],
  ],
  "records that may stand behind later ones, past that": [
    known([reach("t/0", "03:10", "05:05")], { latenessMs: 5 * 60_000 }),
    [3, 4],
  ],
  "two splits, one of them behind": [known([reach("t/0", "03:10", "06:00"), reach("t/1", "02:30", "05:10")]), [
    2,
    3,
    4,
  ]],
  "a gap": [known([reach("t/0", "03:10", "05:00", { end: "20" })]), [3, 4]],
  "a gap, and a source that has nothing more": [
    known([reach("t/0", "03:10", "05:00", { end: "20" })], { ends: ends("09:00") }),
    [3, 4],
  ],
  "an idle split that is at its end": [
    known([reach("t/0", "03:10", "06:00"), reach("t/1", "03:10", "03:20")], { ends: ends("07:30", "t/0") }),
    [3, 4, 5],
  ],
  "splits that are all idle": [known([reach("t/0", "03:10", "03:11")], { ends: ends("06:10") }), [3, 4, 5]],
  "an idle split that isn't at its end": [
    known([reach("t/0", "03:10", "06:00"), reach("t/1", "03:10", "03:20")], { ends: ends("07:30", "t/0", "t/1") }),
    [],
  ],
  "a split that nobody has read": [known([reach("t/0", "03:10", "06:00")], { ends: ends("07:30", "t/0", "t/1") }), []],
  "a split of another parent that nobody has read": [
    known([reach("t/0", "03:10", "06:00")], { ends: ends("07:30", "t/0", "u/1") }),
    [3, 4, 5],
  ],
  "a split that is committed at its beginning, and has something": [
    known([reach("t/0", "03:10", "06:00")], { committed: committed(["t/1", "0"]), ends: ends("07:30", "t/0", "t/1") }),
    [],
  ],
  "a split that is committed at its beginning and empty": [
    known([reach("t/0", "03:10", "06:00")], { committed: committed(["t/1", "0"]), ends: ends("07:30", "t/0") }),
    [3, 4, 5],
  ],
  "a split that is committed, in no manifest and at its end": [
    known([reach("t/0", "03:10", "06:00")], { committed: committed(["t/1", "7"]), ends: ends("07:30", "t/0") }),
    [],
  ],
  "a split that is committed, in no manifest, and accepted": [
    known([reach("t/0", "03:10", "06:00")], {
      ...{ committed: committed(["t/1", "7"]), ends: ends("07:30", "t/0"), acceptUncovered: true },
    }),
    [3, 4, 5],
  ],
  "a split that is committed beyond its manifests": [
    known([reach("t/0", "03:10", "06:00")], { committed: committed(["t/0", "11"]), ends: ends("09:30") }),
    [3, 4, 5],
  ],
  "a topic that the source doesn't tell of": [
    known([reach("t/0", "03:10", "06:00")], { ends: { ...ends("07:30"), parents: new Set(["other"]) } }),
    [],
  ],
  "records that arrived nobody knows when": [
    known([
      reach("t/0", "03:10", "06:00"),
      reach("t/1", "03:10", "06:00", {
        ...{ minTimestamp: NaN, maxTimestamp: NaN },
      }),
    ]),
    [],
  ],
};

for (const [title, [completeness, expected]] of Object.entries(CASES)) {
  Deno.test(`hours are complete as far as is known with ${title}`, () => assertEquals(hours(completeness), expected));
}

Deno.test("hours with losses are not complete, those around them are", () => {
  const losses = new Losses();
  losses.add({ minTimestamp: at("03:59"), maxTimestamp: at("04:00") });
  assertEquals(hours(known([reach("t/0", "02:10", "07:00")], { losses })), [2, 5, 6]);
  losses.addUnknown();
  assertEquals(hours(known([reach("t/0", "02:10", "07:00")], { losses })), []);
});

Deno.test("hours further back than a month are left alone", () => {
  const ancient = reach("t/0", "00:00", "05:00", { minTimestamp: 0 });
  assertEquals(hours(known([ancient])).length, 31 * 24);
  assertEquals(hours(known([ancient])).at(-1), 4);
});

Deno.test("the source is asked from where splits are covered, or committed", () => {
  const reaches = [reach("t/0", "01:00", "02:00"), reach("t/1", "01:00", "02:00", { next: "7", end: "9" })];
  const asked = askedPositions({ reaches, committed: committed(["t/0", "3"], ["t/2", "5"]) });
  assertEquals(asked, new Map([["t/0", "10"], ["t/2", "5"], ["t/1", "9"]]));
});

Deno.test("hours are those of UTC, whatever the machine's time zone does", () => {
  const key = (time: string) => markerKey("t", Date.parse(time) / HOUR_MS);
  // In Europe these days have 25 and 23 hours, and in New York on others.
  for (const day of ["2026-10-25", "2026-03-29", "2026-03-08", "2026-11-01"]) {
    const keys = Array.from({ length: 24 }, (_, hour) => key(`${day}T${String(hour).padStart(2, "0")}:00:00Z`));
    assertEquals(keys, keys.map((_, hour) => `_complete/t/dt=${day}/hour=${String(hour).padStart(2, "0")}.json`));
  }
  assertEquals(key("2026-12-31T23:00:00Z"), "_complete/t/dt=2026-12-31/hour=23.json");
  assertEquals(markerKey("_odd topic/x", 0), "_complete/%5Fodd%20topic%2Fx/dt=1970-01-01/hour=00.json");
});

Deno.test("writeMarkers() writes each marker once", async () => {
  const target = new MemoryTarget();
  const complete = completeHours(
    known([reach("t/0", "03:10", "05:00"), reach("u/0", "04:00", "05:30", { next: "7" })]),
  );
  assertEquals(complete.map(endOfHours), ["2026-11-01T05:00:00.000Z", "2026-11-01T05:00:00.000Z"]);
  assertEquals(await writeMarkers(complete, target, testRuntime(), NEVER), 3);
  assertEquals(await writeMarkers(complete, target, testRuntime(), NEVER), 0);
  assertEquals(target.calls, [
    "put _complete/t/dt=2026-11-01/hour=03.json",
    "put _complete/t/dt=2026-11-01/hour=04.json",
    "put _complete/u/dt=2026-11-01/hour=04.json",
  ]);
  const marker = new TextDecoder().decode(target.objects.get("_complete/u/dt=2026-11-01/hour=04.json"));
  assertEquals(parseSealed(marker, []), {
    version: 1,
    parent: "u",
    from: "2026-11-01T04:00:00.000Z",
    to: "2026-11-01T05:00:00.000Z",
    positions: { "u/0": "7" },
  });
  const later = completeHours(known([reach("t/0", "03:10", "06:00")]));
  assertEquals(await writeMarkers(later, target, testRuntime(), NEVER), 1);
  target.fail = () => {
    throw new FatalError("access denied");
  };
  await assertRejects(
    () => writeMarkers(completeHours(known([reach("v/0", "03:10", "06:00")])), target, testRuntime(), NEVER),
    FatalError,
  );
});
