import { assertEquals } from "@std/assert";
import { formatPlan, type PlanToShow } from "../../../src/cli/format_plan.ts";
import type { JobPlan } from "../../../src/replay/job_file.ts";
import type { PlannedSplit } from "../../../src/records/range.ts";

function split(name: string, fields: Partial<PlannedSplit> = {}): PlannedSplit {
  return { split: name, start: "0", end: "1000", after: [], weight: 1000, details: {}, ...fields };
}

const PLAN: JobPlan = {
  id: "1",
  from: "2026-11-01T00:00:00.000Z",
  to: null,
  prefix: "",
  historical: false,
  incremental: false,
  settings: {},
  unitByteLength: 256 << 20,
  range: { splits: [split("events/0"), split("events/10", { start: "250" })], weightUnit: "records", missing: [] },
};

const SHOWN: PlanToShow = {
  job: "nightly",
  unfinished: null,
  plan: PLAN,
  workers: 2,
  target: "s3",
  template: "{project}",
};

Deno.test("formatPlan() says what is read and written", () => {
  assertEquals(
    formatPlan(SHOWN),
    `job      nightly
reads    from 2026-11-01T00:00:00.000Z to the end: 2 splits, 2,000 records
         events/0   0 to 1000  1,000 records
         events/10  250 to 1000  1,000 records
writes   s3, {project}, new objects after each 256 MB of records, with 2 workers
`,
  );
});

Deno.test("formatPlan() says what comes first and what is missing", () => {
  const range = {
    splits: [split("a.gz/1", { end: null, weight: 3 << 20 })],
    weightUnit: "bytes",
    missing: ["events/0 has lost 7 records", "events/1 has lost 9 records"],
  } as const;
  const plan = { ...PLAN, from: null, prefix: "again", range };
  const unfinished = { ...PLAN, to: "2026-11-02T00:00:00.000Z" };
  assertEquals(
    formatPlan({ ...SHOWN, plan, unfinished }),
    `job      nightly, which has an unfinished run: from 2026-11-01T00:00:00.000Z to 2026-11-02T00:00:00.000Z comes first
reads    from the beginning to the end: 1 split, 3 MB
         a.gz/1  0 to its end  3 MB
missing  events/0 has lost 7 records
missing  events/1 has lost 9 records
writes   s3, again/{project}, new objects after each 256 MB of records, with 2 workers
`,
  );
});

Deno.test("formatPlan() cuts long lists, and says so when there is nothing", () => {
  const splits = Array.from({ length: 1500 }, (_, i) => split(`events/${i}`, { weight: 60_000 }));
  const lines = formatPlan({ ...SHOWN, plan: { ...PLAN, range: { splits, weightUnit: "ms", missing: [] } } }).split(
    "\n",
  );
  assertEquals(lines.length, 2 + 20 + 1 + 1 + 1);
  assertEquals(lines[22], "         and 1,480 more");
  const since = formatPlan({ ...SHOWN, plan: { ...PLAN, from: null, incremental: true } });
  assertEquals(since.split("\n")[1], "reads    from the last run's end, if any, to the end: 2 splits, 2,000 records");
  const empty = formatPlan({ ...SHOWN, plan: { ...PLAN, range: { splits: [], weightUnit: "records", missing: [] } } });
  assertEquals(empty.split("\n")[1], "reads    nothing: there is nothing from 2026-11-01T00:00:00.000Z to the end");
});
