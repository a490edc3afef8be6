/**
 * Markers for hours that are complete: `_complete/<topic, stream or file>/dt=2026-11-01/hour=05.json`.
 *
 * An hour (UTC, by the time at which the source received the records) of a parent is complete when for each of its splits
 * one of these holds, and nothing that arrived in that hour is missing or damaged:
 *
 *     the split is covered, without a gap from its first range on, up to a record that arrived after the hour's end;
 *     or it is covered up to its end: the source had nothing behind that when it was asked, which was after the hour's end.
 *
 * "After" allows for records that stand behind later ones: `latenessMs` more. What isn't known holds the hour back: a split
 * that nobody has read yet, or that is committed and in no manifest, or a manifest that can't be read. Without the source's
 * answer there are no markers at all, nor for topics that it doesn't tell of (another collector's, the historical one): it
 * alone knows which splits there are.
 */
import { retry, type RetryPolicy } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { comparePositions, type Position, type SplitId, splitParent } from "../records/position.ts";
import { jsonObject } from "../target/json_object.ts";
import { escapeName } from "../encode/key_template.ts";
import type { ReadableObjectTarget, StoredObject } from "../target/target.ts";
import type { Reach } from "./coverage.ts";
import { HOUR_MS, type Losses } from "./losses.ts";

/** Below the target's root; readers skip names that begin with "_". */
const MARKER_PREFIX = "_complete/";
/** No markers for hours further back: records without a sensible time would make them for decades. */
const MAX_HOURS = 31 * 24;
const PUT_RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 5_000, maxAttempts: 5 };

/** Where the source ended when it was asked. */
export interface SourceEnds {
  /** When it was asked, epoch ms. */
  readonly askedMs: number;
  /** Topics, streams and files that it told of; of others it knows neither the ends nor which splits there are. */
  readonly parents: ReadonlySet<string>;
  /** Splits with something behind what is covered. */
  readonly unread: ReadonlySet<SplitId>;
}

/** How far each split is known to be complete. */
export interface Completeness {
  readonly reaches: readonly Reach[];
  /** Empty when it isn't known. */
  readonly committed: ReadonlyMap<SplitId, Position>;
  /** Whether splits that are committed and in no manifest are all right: then they begin where they are committed. */
  readonly acceptUncovered: boolean;
  readonly ends: SourceEnds;
  readonly losses: Losses;
  /** How far a record may stand behind ones that arrived later. */
  readonly latenessMs: number;
}

/** Where the source is to be asked whether there is more, by split. */
export function askedPositions(
  { reaches, committed }: Pick<Completeness, "reaches" | "committed">,
): Map<SplitId, Position> {
  return new Map([...committed, ...reaches.map(({ split, end }) => [split, end] as const)]);
}

/** The hours of a parent that are complete. */
export interface CompleteHours {
  readonly parent: string;
  /** Hours since the epoch, ascending. */
  readonly hours: readonly number[];
  /** What they are complete up to, by split. */
  readonly positions: Readonly<Record<SplitId, Position>>;
  /** The split that holds back the next hour; null when nothing is known of any hour. */
  readonly heldBackBy: SplitId | null;
}

/** By parent, sorted. */
export function completeHours(known: Completeness): CompleteHours[] {
  const splits = new Map<string, Map<SplitId, Reach | null>>();
  const addSplit = (split: SplitId, reach: Reach | null) => {
    const parent = splitParent(split);
    const siblings = splits.get(parent) ?? new Map<SplitId, Reach | null>();
    if (reach !== null || !siblings.has(split)) siblings.set(split, reach);
    splits.set(parent, siblings);
  };
  for (const reach of known.reaches) addSplit(reach.split, reach);
  for (const split of [...known.committed.keys(), ...known.ends.unread]) addSplit(split, null);
  return [...splits].sort(([a], [b]) => a < b ? -1 : 1).map(([parent, reaches]) => {
    if (known.ends.parents.has(parent)) return hoursOf(parent, reaches, known);
    return { parent, hours: [], positions: {}, heldBackBy: null };
  });
}

function hoursOf(parent: string, reaches: ReadonlyMap<SplitId, Reach | null>, known: Completeness): CompleteHours {
  let firstMs = Infinity, completeMs = Infinity;
  let heldBackBy: SplitId | null = null;
  const positions: Record<SplitId, Position> = {};
  for (const [split, reach] of reaches) {
    if (reach !== null) {
      positions[split] = reach.next;
      if (reach.minTimestamp < firstMs) firstMs = reach.minTimestamp;
    }
    const untilMs = completeUntil(split, reach, known);
    if (untilMs < completeMs) {
      completeMs = untilMs;
      heldBackBy = split;
    }
  }
  const end = Math.floor((completeMs - known.latenessMs) / HOUR_MS); // the first hour that isn't over
  const first = Math.max(Math.floor(firstMs / HOUR_MS), end - MAX_HOURS);
  const hours: number[] = [];
  for (let hour = first; hour < end; hour++) if (!known.losses.has(hour)) hours.push(hour);
  return { parent, hours, positions, heldBackBy };
}

/** Everything of the split that arrived before this time (epoch ms) is covered. -Infinity when nothing is known. */
function completeUntil(split: SplitId, reach: Reach | null, known: Completeness): number {
  const { committed, ends, acceptUncovered } = known;
  const position = committed.get(split);
  const covered = reach?.end ?? (acceptUncovered ? position : undefined) ?? "0";
  const isBeyond = position !== undefined && comparePositions(position, covered) > 0;
  const hasGap = reach !== null && reach.end !== reach.next;
  const isAtEnd = !ends.unread.has(split) && !isBeyond && !hasGap;
  if (isAtEnd) return ends.askedMs;
  return reach === null || Number.isNaN(reach.maxTimestamp) ? -Infinity : reach.maxTimestamp;
}

/** The end of the last hour, ISO 8601 in UTC; null when there is none. */
export function endOfHours({ hours }: CompleteHours): string | null {
  return hours.length === 0 ? null : new Date((hours[hours.length - 1] + 1) * HOUR_MS).toISOString();
}

/** "2026-11-01T05" -> `_complete/orders/dt=2026-11-01/hour=05.json`. */
export function markerKey(parent: string, hour: number): string {
  const iso = new Date(hour * HOUR_MS).toISOString();
  return `${MARKER_PREFIX}${escapeName(parent)}/dt=${iso.slice(0, 10)}/hour=${iso.slice(11, 13)}.json`;
}

/** Writes the markers that aren't there yet. Returns how many that were. The target is open. */
export async function writeMarkers(
  complete: readonly CompleteHours[],
  target: ReadableObjectTarget,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<number> {
  let written = 0;
  for (const { parent, hours, positions } of complete) {
    if (hours.length === 0) continue;
    const there = new Set<string>();
    const prefix = `${MARKER_PREFIX}${escapeName(parent)}/`;
    const from = markerKey(parent, hours[0]);
    for await (const { key } of target.list(prefix, signal)) if (key >= from) there.add(key);
    for (const hour of hours) {
      const key = markerKey(parent, hour);
      if (there.has(key)) continue;
      const marker = markerObject(key, { parent, hour, positions });
      const options = { policy: PUT_RETRIES, runtime, signal };
      await retry("put hour marker", () => target.put(marker, signal), options);
      written++;
    }
  }
  return written;
}

function markerObject(
  key: string,
  { parent, hour, positions }: { parent: string; hour: number; positions: CompleteHours["positions"] },
): StoredObject {
  const from = new Date(hour * HOUR_MS).toISOString(), to = new Date((hour + 1) * HOUR_MS).toISOString();
  return jsonObject(key, { version: 1, parent, from, to, positions });
}
