/** Which shards have records of a range, and where each begins. */
import { MisuseError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { PlannedSplit, RangeEdge, RangePlan, RangeRequest } from "../../../records/range.ts";
import type { SplitId } from "../../../records/position.ts";
import { END_POSITION } from "../leases/checkpoint.ts";
import { eachLimited } from "../concurrency.ts";
import { findFirstRecord, type FirstRecordOptions, LOOK_BACK_MS, type RangeBegin } from "../shards/first_record.ts";
import type { KinesisApi, Shard, StreamInfo } from "../aws/kinesis_api.ts";
import { persistently } from "../stream_setup.ts";
import { TimeBound } from "../shards/time_bound.ts";

/** The service tells its time in whole seconds: it may be so much later. */
const TIME_STEP_MS = 1_000;
/** Shards that are looked into at a time: each may have a page in memory. */
const CONCURRENCY = 8;
/** Most sentences about shards of which something is missing. */
const MAX_MISSING = 20;
const HOUR_MS = 3_600_000;

export interface RangePlanParts extends Pick<FirstRecordOptions, "limits" | "calls"> {
  readonly api: KinesisApi;
  readonly runtime: Runtime;
  readonly streamName: string;
  /** How far behind the service's time a record may become readable, ms. */
  readonly marginMs: number;
}

/** The range in times, epoch ms. */
interface Span {
  /** Null: from the oldest record on. */
  readonly fromMs: number | null;
  readonly toMs: number;
  /** Older records have expired. */
  readonly horizonMs: number;
}

/** A shard with something to read. */
interface Found {
  readonly shard: Shard;
  readonly start: string;
  /** When its first record arrived, epoch ms. */
  readonly firstMs: number;
}

/**
 * The range as it is now.
 *
 * @throws FatalError, or the signal's reason.
 */
export async function planKinesisRange(
  parts: RangePlanParts,
  request: RangeRequest,
  signal: AbortSignal,
): Promise<RangePlan> {
  if (request.historical) throw new MisuseError("A Kinesis stream has no historical topic: leave --historical out");
  const from = timeOf(request.from), to = timeOf(request.to);
  const ask = <T>(what: string, attempt: () => Promise<T>): Promise<T> =>
    persistently(what, attempt, { runtime: parts.runtime, signal });
  const info = await ask("kinesis describe stream", () => parts.api.describeStream(signal));
  const nowMs = parts.api.serverTimeMs() ?? parts.runtime.clock.now();
  const span: Span = {
    fromMs: from,
    // What came before this was called is in the range; the rest of the service's second may come along.
    toMs: Math.min(to ?? Infinity, Math.floor(nowMs) + TIME_STEP_MS),
    horizonMs: nowMs - info.retentionHours * HOUR_MS,
  };
  const missing = expiredOf(span, info);
  if (span.fromMs !== null && span.fromMs >= span.toMs) return { splits: [], weightUnit: "ms", missing };
  const shards = await ask("kinesis list shards", () => parts.api.listShards(signal));
  const late = await lateShards(
    shards,
    span,
    (fromMs) => ask("kinesis list shards", () => parts.api.listShards(signal, fromMs)),
  );
  const found = await findStarts(parts, { shards: late, span, request, missing }, signal);
  const splits = planSplits(parts.streamName, { shards, found, toMs: span.toMs });
  const more = missing.length - MAX_MISSING;
  const said = more > 0 ? [...missing.slice(0, MAX_MISSING), `the same goes for ${more} more shards`] : missing;
  return { splits, weightUnit: "ms", missing: said };
}

function timeOf(edge: RangeEdge | null): number | null {
  if (edge === null) return null;
  if ("timestampMs" in edge) return edge.timestampMs;
  throw new MisuseError(
    `A range of a Kinesis stream is given by times, not by positions (${edge.positions}): write 2026-01-31T12:00:00Z`,
  );
}

function expiredOf({ fromMs, horizonMs }: Span, { retentionHours, createdMs }: StreamInfo): string[] {
  if (fromMs === null || fromMs >= horizonMs || createdMs >= horizonMs) return [];
  const horizon = `${new Date(horizonMs).toISOString().slice(0, 19)}Z`;
  return [`records before ${horizon} have expired: the stream keeps ${retentionHours} hours`];
}

/** Without those that were closed before the range began. */
async function lateShards(
  shards: readonly Shard[],
  { fromMs, horizonMs }: Span,
  listFrom: (fromMs: number) => Promise<Shard[]>,
): Promise<readonly Shard[]> {
  const earliestMs = fromMs === null ? -Infinity : fromMs - LOOK_BACK_MS;
  if (earliestMs <= horizonMs || shards.every(({ open }) => open)) return shards;
  const late = new Set((await listFrom(earliestMs)).map(({ id }) => id));
  return shards.filter(({ id }) => late.has(id));
}

/** The shards with something to read; what is gone is added to `missing`. */
async function findStarts(
  { streamName, marginMs, ...parts }: RangePlanParts,
  { shards, span, request, missing }: {
    shards: readonly Shard[];
    span: Span;
    request: RangeRequest;
    missing: string[];
  },
  signal: AbortSignal,
): Promise<Map<string, Found>> {
  const { fromMs, toMs, horizonMs } = span;
  const bound = new TimeBound(toMs, marginMs);
  const found = new Map<string, Found>();
  await eachLimited(shards, CONCURRENCY, async (shard) => {
    const split = `${streamName}/${shard.id}`;
    const position = request.resume.get(split);
    if (position === END_POSITION) return;
    let begin: RangeBegin = { type: "oldest" };
    if (position !== undefined) begin = { type: "position", position };
    else if (fromMs !== null && fromMs > horizonMs) begin = { type: "time", timestampMs: fromMs };
    const first = await findFirstRecord({ ...parts, shard: shard.id, split, begin, bound, signal });
    if (first.skipped) missing.push(`records of ${split} from ${position ?? "its first one"} on have expired in part`);
    if (first.record === undefined) return;
    const { sequence, arrivalMs } = first.record;
    const firstMs = Number.isFinite(arrivalMs) ? arrivalMs : fromMs ?? horizonMs;
    found.set(shard.id, { shard, start: position ?? `${sequence}:0`, firstMs });
  });
  missing.sort();
  return found;
}

function planSplits(
  streamName: string,
  { shards, found, toMs }: { shards: readonly Shard[]; found: ReadonlyMap<string, Found>; toMs: number },
): PlannedSplit[] {
  const byId = new Map(shards.map((shard) => [shard.id, shard]));
  const splitOf = (id: string): SplitId => `${streamName}/${id}`;
  const known = new Map<string, ReadonlySet<string>>();
  /** The nearest ancestors that are read: those in between have nothing to read. Each is looked at once: paths are many. */
  const readAncestors = (id: string): ReadonlySet<string> => {
    const before = known.get(id);
    if (before !== undefined) return before;
    const parents = byId.get(id)?.parents ?? [];
    const ancestors = new Set(parents.flatMap((parent) => found.has(parent) ? [parent] : [...readAncestors(parent)]));
    known.set(id, ancestors);
    return ancestors;
  };
  // Whatever is in a child came after the parent's last record.
  const lastMs = new Map<string, number>();
  for (const { shard: { parents }, firstMs } of found.values()) {
    for (const parent of parents) lastMs.set(parent, Math.min(firstMs, lastMs.get(parent) ?? Infinity));
  }
  const splits = Array.from(found.values(), ({ shard: { id }, start, firstMs }): PlannedSplit => {
    const endMs = Math.max(firstMs, Math.min(toMs, lastMs.get(id) ?? Infinity));
    return {
      split: splitOf(id),
      start,
      end: null,
      after: Array.from(readAncestors(id), splitOf).sort(),
      weight: Math.max(1, endMs - firstMs),
      details: { firstMs, endMs, toMs },
    };
  });
  return splits.sort((a, b) => a.split < b.split ? -1 : 1);
}
