import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { JobPlan } from "../../../src/replay/job_file.ts";
import { reportObject, reportOf } from "../../../src/replay/report.ts";
import type { Manifest } from "../../../src/target/manifest.ts";
import { contents } from "../../support/stored_object.ts";
import { fakePlan } from "./fake_ranges.ts";

const PLAN: JobPlan = {
  id: "0123456789abcdef",
  from: null,
  to: "2026-11-02T00:00:00.000Z",
  prefix: "again",
  historical: false,
  incremental: false,
  settings: {},
  unitByteLength: 1 << 20,
  range: {
    splits: fakePlan([
      { split: "a/0", records: Array(20).fill(1) },
      { split: "a/1", records: Array(11).fill(1), openEnd: true },
      { split: "a/2", records: [1], openEnd: true },
    ]),
    weightUnit: "records",
    missing: ["a/0 has lost offsets 0 to 4"],
  },
};

function unit(name: string, ranges: readonly (readonly [string, number, number])[]): Manifest {
  return {
    version: 1,
    unit: name,
    trigger: "cut",
    ranges: ranges.map(([split, start, next]) => ({
      split,
      epoch: "1",
      start: String(start),
      next: String(next),
      minTimestamp: null,
      maxTimestamp: null,
      records: next - start,
      recordBytes: 100,
      rows: next - start - 1,
      deadLetters: 1,
      dropped: { empty: 2 },
    })),
    objects: [{
      key: `p/${name}.ndjson.gz`,
      byteLength: 50,
      rawByteLength: 500,
      sha256: "00",
      rows: 1,
      minEventTime: null,
      maxEventTime: null,
      tables: [],
    }],
    deadLetters: null,
  };
}

const OUTCOME = {
  units: [unit("u1", [["a/0", 0, 10], ["a/1", 0, 9]]), unit("u2", [["a/0", 10, 20], ["a/1", 9, 11]])],
  ends: new Map([["a/0", "20"], ["a/1", "11"]]),
  missing: ["records of a/1 expired"],
};

Deno.test("reportOf() has the ranges as they were read and the sums of the units", () => {
  const report = reportOf("nightly", PLAN, OUTCOME);
  assertEquals(report.ranges, [
    { split: "a/0", start: "0", next: "20" },
    { split: "a/1", start: "0", next: "11" },
    { split: "a/2", start: "0", next: "0" },
  ]);
  assertEquals(report.totals, {
    records: 31,
    recordBytes: 400,
    rows: 27,
    deadLetters: 4,
    objects: 2,
    objectBytes: 100,
    dropped: { empty: 8 },
  });
  assertEquals([report.job, report.id, report.from, report.to, report.missing], [
    "nightly",
    "0123456789abcdef",
    null,
    "2026-11-02T00:00:00.000Z",
    [...PLAN.range.missing, "records of a/1 expired"],
  ]);
});

Deno.test("reportOf() of nothing is a report, too", () => {
  const { totals, units, ranges } = reportOf("nightly", { ...PLAN, range: { ...PLAN.range, splits: [] } }, {
    ...OUTCOME,
    units: [],
    ends: new Map(),
  });
  assertEquals([totals.records, totals.objects, units, ranges], [0, 0, [], []]);
});

/** The report and each of its units have a checksum. */
function withoutSeals(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes), seals = text.match(/,"crc32":"[0-9a-f]{8}"/g) ?? [];
  const root = JSON.parse(text.replaceAll(/,"crc32":"[0-9a-f]{8}"/g, ""));
  assertEquals(seals.length, root.units.length + 1);
  return root;
}

Deno.test("reportObject() is named by job and range, with the checksum of its bytes", () => {
  const report = reportOf("nightly", PLAN, OUTCOME);
  const object = reportObject(report);
  const bytes = contents(object);
  assertEquals(object.key, "_replays/nightly/0123456789abcdef.json");
  assertEquals(withoutSeals(bytes), report);
  assertEquals(object.sha256, new Uint8Array(createHash("sha256").update(bytes).digest()));
});

Deno.test("reportObject() of more units than one string may hold comes in chunks, and is the same JSON", () => {
  const units = Array.from({ length: 4_000 }, (_, i) => unit(`u${i + 1000}`, [["a/0", i, i + 1], ["a/1", i, i + 1]]));
  const report = reportOf("nightly", PLAN, { ...OUTCOME, units });
  const object = reportObject(report);
  assert(object.chunks.length > 1, `${object.chunks.length} chunks of ${object.byteLength} bytes`);
  const bytes = contents(object);
  assertEquals(bytes.length, object.byteLength);
  assertEquals(withoutSeals(bytes), report);
  assertEquals(object.sha256, new Uint8Array(createHash("sha256").update(bytes).digest()));
});
