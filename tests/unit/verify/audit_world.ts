import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Gap } from "../../../src/records/gap.ts";
import type { SplitId } from "../../../src/records/position.ts";
import type { Manifest, ManifestDeadLetters, ManifestObject, ManifestRange } from "../../../src/target/manifest.ts";
import type { ReadableObjectTarget } from "../../../src/target/target.ts";
import type { Depth } from "../../../src/verify/contents.ts";
import { Findings } from "../../../src/verify/findings.ts";
import { Losses } from "../../../src/verify/losses.ts";
import { newProgress } from "../../../src/verify/progress.ts";
import type { Committed, VerifyReport } from "../../../src/verify/report.ts";
import { audit, reportOf } from "../../../src/verify/verify.ts";
import { MemoryTarget } from "../../support/memory_target.ts";
import { testRuntime } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;

/** A unit to store: a range a split, and the ids of its rows. */
export interface UnitSpec {
  readonly name: string;
  readonly ranges: readonly (readonly [split: SplitId, start: number, next: number])[];
  /** What of the first range is lost. */
  readonly gaps?: readonly Gap[];
  readonly deadLetters?: number;
  readonly compression?: "gzip" | "zstd" | "none";
  /** Key of the data object; made from the name when unset. */
  readonly key?: string;
}

/** A target in memory that holds what a collector would have written. */
export class AuditWorld {
  readonly target = new MemoryTarget();
  /** Where dead letters are when they have a directory of their own. */
  letters: MemoryTarget | null = null;

  /** Stores the unit's objects and manifest; the manifest's key. One record a position. */
  addUnit(
    { name, ranges, gaps, deadLetters = 0, compression = "gzip", key = `p/${name}-0000.ndjson.gz` }: UnitSpec,
  ): string {
    const manifestRanges = ranges.map(([split, start, next], i) =>
      rangeOf(split, start, next, i === 0 ? { deadLetters, gaps } : {})
    );
    const rows = manifestRanges.reduce((sum, range) => sum + range.rows, 0);
    const manifest: Manifest = {
      version: 1,
      unit: name,
      trigger: "age",
      ranges: manifestRanges,
      objects: rows === 0 ? [] : [this.#putRows(key, rows, compression)],
      deadLetters: deadLetters === 0 ? null : this.#putDeadLetters(name, deadLetters),
    };
    const parent = ranges[0][0].slice(0, ranges[0][0].lastIndexOf("/")).replaceAll(":", "%3A");
    const manifestKey = `_manifests/${parent}/${name}.json`;
    this.putText(manifestKey, JSON.stringify(manifest));
    return manifestKey;
  }

  /** Stores the report of a replay that read these ranges; its key. */
  addReport(name: string, ranges: UnitSpec["ranges"]): string {
    const key = `_replays/job/${name}.json`;
    const claims = ranges.map(([split, start, next]) => ({ split, start: String(start), next: String(next) }));
    this.putText(key, `${JSON.stringify({ version: 1, job: "job", id: name, ranges: claims, units: [] })}\n`);
    return key;
  }

  putText(key: string, text: string): void {
    this.target.objects.set(key, new TextEncoder().encode(text));
  }

  /** Changes a manifest as it is stored. */
  // deno-lint-ignore no-explicit-any -- what is damaged has no type
  edit(manifestKey: string, change: (manifest: any) => void): void {
    const manifest = JSON.parse(new TextDecoder().decode(this.target.objects.get(manifestKey)));
    change(manifest);
    this.putText(manifestKey, JSON.stringify(manifest));
  }

  async audit(
    { depth = "listing", committed = { kind: "ignored" }, acceptUncovered = false, acceptLoss = false, strict = false }:
      {
        depth?: Depth;
        committed?: Committed;
        acceptUncovered?: boolean;
        acceptLoss?: boolean;
        strict?: boolean;
      } = {},
  ): Promise<VerifyReport & { losses: Losses }> {
    const findings = new Findings(), losses = new Losses();
    const target: ReadableObjectTarget = this.target;
    const audited = await audit({
      ...{ target, deadLetters: this.letters, depth, committed, acceptUncovered, acceptLoss, findings, losses },
      ...{ progress: newProgress(), runtime: testRuntime() },
    }, NEVER);
    return { ...reportOf(audited, findings, { strict }), losses };
  }

  #putRows(key: string, rows: number, compression: "gzip" | "zstd" | "none"): ManifestObject {
    const raw = new TextEncoder().encode(
      Array.from({ length: rows }, (_, id) => `${JSON.stringify({ id, key })}\n`).join(""),
    );
    const bytes = { gzip: () => gzipSync(raw), zstd: () => zstdCompressSync(raw), none: () => raw }[compression]();
    this.target.objects.set(key, new Uint8Array(bytes));
    return {
      ...{ key, byteLength: bytes.length, rawByteLength: raw.length, sha256: sha256(bytes), rows },
      ...{ minEventTime: null, maxEventTime: null, tables: [] },
    };
  }

  #putDeadLetters(name: string, records: number): ManifestDeadLetters {
    const key = this.letters === null ? `_dead-letters/${name}.ndjson.gz` : `${name}.ndjson.gz`;
    const bytes = new Uint8Array(gzipSync(`{"of":"${name}"}\n`.repeat(records)));
    (this.letters ?? this.target).objects.set(key, bytes);
    return { key, byteLength: bytes.length, sha256: sha256(bytes), records, codes: { "malformed-json": records } };
  }
}

/** An hour of arrival for each 100 positions. */
function rangeOf(
  split: SplitId,
  start: number,
  next: number,
  { deadLetters = 0, gaps }: Pick<UnitSpec, "deadLetters" | "gaps"> = {},
): ManifestRange {
  const records = (gaps ?? []).reduce((sum, gap) => sum - (Number(gap.next) - Number(gap.start)), next - start);
  const time = (position: number) => new Date(position * 36_000).toISOString();
  return {
    ...{ split, epoch: "1", start: String(start), next: String(next), records, recordBytes: records },
    ...{ rows: records - deadLetters, deadLetters, dropped: {} },
    minTimestamp: records === 0 ? null : time(start),
    maxTimestamp: records === 0 ? null : time(next - 1),
    ...(gaps && { gaps }),
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
