/** What a finished replay leaves in the target: everything that it read and wrote, in one object. */
import { createHash } from "node:crypto";
import { comparePositions, type Position, type SplitId } from "../source/source.ts";
import { addCounts, type Manifest } from "../target/manifest.ts";
import type { StoredObject } from "../target/target.ts";
import type { JobPlan } from "./job_file.ts";

/** Below the target's root (and the replay's prefix). */
const REPLAY_PREFIX = "_replays/";

export interface ReplayReport {
  readonly version: 1;
  readonly job: string;
  readonly id: string;
  /** As asked for. */
  readonly from: string | null;
  readonly to: string | null;
  /** What was asked for and wasn't there any more. */
  readonly missing: readonly string[];
  readonly ranges: readonly { readonly split: SplitId; readonly start: Position; readonly next: Position }[];
  readonly totals: {
    readonly records: number;
    readonly recordBytes: number;
    readonly rows: number;
    readonly deadLetters: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly objects: number;
    readonly objectBytes: number;
  };
  /** With their ranges, objects and checksums. */
  readonly units: readonly Manifest[];
}

/** The report of a run whose units all are stored, and where its splits ended. Depends on them alone. */
export function reportOf(job: string, { id, from, to, range }: JobPlan, units: readonly Manifest[]): ReplayReport {
  const totals = { records: 0, recordBytes: 0, rows: 0, deadLetters: 0, objects: 0, objectBytes: 0 };
  const dropped: Record<string, number> = {};
  const ends = endsOf(units);
  for (const { ranges, objects } of units) {
    for (const counts of ranges) {
      totals.records += counts.records;
      totals.recordBytes += counts.recordBytes;
      totals.rows += counts.rows;
      totals.deadLetters += counts.deadLetters;
      addCounts(dropped, counts.dropped);
    }
    totals.objects += objects.length;
    for (const { byteLength } of objects) totals.objectBytes += byteLength;
  }
  const ranges = range.splits.map(({ split, start, end }) => ({ split, start, next: end ?? ends.get(split) ?? start }));
  return { version: 1, job, id, from, to, missing: range.missing, ranges, totals: { ...totals, dropped }, units };
}

/** The furthest of each split. */
function endsOf(units: readonly Manifest[]): Map<SplitId, Position> {
  const ends = new Map<SplitId, Position>();
  for (const { split, next } of units.flatMap(({ ranges }) => ranges)) {
    const end = ends.get(split);
    if (end === undefined || comparePositions(end, next) < 0) ends.set(split, next);
  }
  return ends;
}

export function reportObject(report: ReplayReport): StoredObject {
  const bytes = new TextEncoder().encode(`${JSON.stringify(report)}\n`);
  return {
    key: `${REPLAY_PREFIX}${report.job}/${report.id}.json`,
    chunks: [bytes],
    byteLength: bytes.length,
    sha256: new Uint8Array(createHash("sha256").update(bytes).digest()),
    contentType: "application/json",
    purpose: "manifest",
  };
}
