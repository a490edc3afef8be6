/** What a finished replay leaves in the target: everything that it read and wrote, in one object. */
import type { Position, SplitId } from "../records/position.ts";
import { sealed, sealOf } from "../runtime/sealed_json.ts";
import { jsonText } from "../target/json_object.ts";
import { addCounts, type Manifest } from "../target/manifest.ts";
import type { StoredObject } from "../target/target.ts";
import type { JobPlan } from "./job_file.ts";

/** Below the target's root (and the replay's prefix). */
export const REPLAY_PREFIX = "_replays/";

/** Characters of a report that are encoded at a time. */
const CHUNK_LENGTH = 1 << 20;

/** Of what stands in front of the units. */
export const REPORT_FIELDS = ["version", "job", "id", "from", "to", "missing", "ranges", "totals"];

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

/** What a run came to. */
export interface JobOutcome {
  /** All of them, sorted. */
  readonly units: readonly Manifest[];
  /** Where its splits ended; those that aren't here had nothing to read. */
  readonly ends: ReadonlyMap<SplitId, Position>;
  /** What turned out to be gone while it was read. */
  readonly missing: readonly string[];
}

/** The report of a run of which all is stored. The same range has the same report. */
export function reportOf(job: string, { id, from, to, range }: JobPlan, outcome: JobOutcome): ReplayReport {
  const { units, ends } = outcome;
  const totals = { records: 0, recordBytes: 0, rows: 0, deadLetters: 0, objects: 0, objectBytes: 0 };
  const dropped: Record<string, number> = {};
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
  const missing = [...range.missing, ...outcome.missing];
  return { version: 1, job, id, from, to, missing, ranges, totals: { ...totals, dropped }, units };
}

export function reportObject(report: ReplayReport): StoredObject {
  return jsonText(`${REPLAY_PREFIX}${report.job}/${report.id}.json`, chunksOf(report));
}

/**
 * In parts, since JSON.stringify can't hold more than 512 MB: 90,000 units of 16 splits. They come last: an audit reads
 * what stands in front of them, with a checksum of its own, see verify/read_reports.ts. So does each unit.
 */
function chunksOf({ units, ...head }: ReplayReport): Uint8Array<ArrayBuffer>[] {
  const encoder = new TextEncoder();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const beginning = JSON.stringify(head).slice(0, -1);
  let text = `${beginning}${sealOf(beginning)},"units":[`;
  units.forEach((unit, i) => {
    text += `${i === 0 ? "" : ","}${sealed(JSON.stringify(unit))}`;
    if (text.length < CHUNK_LENGTH) return;
    chunks.push(encoder.encode(text));
    text = "";
  });
  return [...chunks, encoder.encode(`${text}]}\n`)];
}
