/** Which offsets a range means, now. */
import { FatalError, MisuseError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { PlannedSplit, RangeEdge, RangePlan, RangeRequest } from "../../../records/range.ts";
import { type SplitId, splitParent } from "../../../records/position.ts";
import { splitOf } from "../fetch/partition.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import { type OffsetEdge, parseOffsets } from "./range_positions.ts";
import { listOffsets, type StartsParts } from "../group/starts.ts";

/** Most sentences about what is missing: a topic may have thousands of partitions. */
const MAX_MISSING = 20;
const RETRY: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 2000, maxAttempts: Infinity };

export type RangePlanParts = Pick<StartsParts, "client" | "topics" | "isolation"> & { readonly runtime: Runtime };

type Edge = OffsetEdge | { readonly kind: "time"; readonly timestampMs: number } | null;

/** What is known of one partition before its range is decided. Offsets. */
interface Facts {
  readonly split: SplitId;
  /** Where the log begins, and where it ends for us. */
  readonly first: number;
  readonly end: number;
  /** As asked for; null where nothing was. */
  readonly from: number | null;
  readonly to: number | null;
  /** From a time: whether the first record of the log is the first one at or after it. */
  readonly fromOldest: boolean;
}

/**
 * The range as it is now; the topics have been looked up.
 *
 * @throws FatalError, or the signal's reason.
 */
export async function planRange(
  parts: RangePlanParts,
  request: RangeRequest,
  signal: AbortSignal,
): Promise<RangePlan> {
  const names = [...parts.topics.subscribed].sort();
  const partitions = names.flatMap((topic) =>
    parts.topics.partitionsOf(topic).sort((a, b) => a - b).map((partition) => ({ topic, partition }))
  );
  if (partitions.length === 0) {
    throw new FatalError("No topic of the cluster matches kafka.topic: there is nothing to read");
  }
  const from = readEdge(request.from, names), to = readEdge(request.to, names);
  const chosen = choose(partitions, from, to);
  const missing: string[] = [], splits: PlannedSplit[] = [];
  for (const facts of await lookUp(parts, chosen, { from, to }, signal)) {
    const planned = planSplit(facts, request.resume.get(facts.split), missing);
    if (planned === null) continue;
    const log = parts.topics.logOf(splitParent(planned.split));
    splits.push(log === undefined ? planned : { ...planned, details: { log } });
  }
  const more = missing.length - MAX_MISSING;
  return {
    splits,
    weightUnit: "records",
    missing: more > 0 ? [...missing.slice(0, MAX_MISSING), `The same goes for ${more} more partitions.`] : missing,
  };
}

function readEdge(edge: RangeEdge | null, topics: readonly string[]): Edge {
  if (edge === null) return null;
  if ("timestampMs" in edge) return { kind: "time", timestampMs: edge.timestampMs };
  return parseOffsets(edge.positions, topics);
}

/** All partitions, unless the edges name some. */
function choose(partitions: readonly TopicPartition[], from: Edge, to: Edge): readonly TopicPartition[] {
  const known = new Set(partitions.map(splitOf));
  const named = [from, to].filter((edge) => edge?.kind === "named");
  if (named.length === 0) return partitions;
  for (const { offsets } of named) {
    for (const split of offsets.keys()) {
      if (!known.has(split)) throw new MisuseError(`There is no partition ${split}: correct the range's offsets`);
      const other = named.find((edge) => !edge.offsets.has(split));
      if (other === undefined) continue;
      const side = other === from ? "start" : "end";
      throw new MisuseError(`The range has no ${side} for ${split}: name the same partitions in both, or none in one`);
    }
  }
  return partitions.filter((one) => named[0].offsets.has(splitOf(one)));
}

async function lookUp(
  parts: RangePlanParts,
  partitions: readonly TopicPartition[],
  { from, to }: { from: Edge; to: Edge },
  signal: AbortSignal,
): Promise<Facts[]> {
  const ask = (at: Parameters<typeof listOffsets>[2]) =>
    retry("kafka offsets", () => listOffsets(parts, partitions, at, signal), {
      policy: RETRY,
      runtime: parts.runtime,
      signal,
    });
  const [first, end] = await Promise.all([ask("earliest"), ask("latest")]);
  const times = (edge: Edge) => edge?.kind === "time" ? ask(edge) : null;
  const [start, stop, oldest] = await Promise.all([
    times(from),
    times(to),
    from?.kind === "time" ? ask({ timestampMs: 0 }) : null,
  ]);
  return partitions.map((partition) => {
    const split = splitOf(partition), endOffset = Number(end.get(split));
    const offsetOf = (edge: Edge, found: ReadonlyMap<SplitId, bigint> | null) => {
      if (edge === null) return null;
      if (edge.kind === "all") return edge.offset;
      if (edge.kind === "named") return edge.offsets.get(split)!;
      const offset = Number(found!.get(split));
      return offset < 0 ? endOffset : Math.min(offset, endOffset);
    };
    if (isOffsets(from) && isOffsets(to) && offsetOf(from, null)! > offsetOf(to, null)!) {
      throw new MisuseError(
        `The range of ${split} begins at ${offsetOf(from, null)} and ends before that, at ${offsetOf(to, null)}`,
      );
    }
    return {
      ...{ split, first: Number(first.get(split)), end: endOffset },
      ...{ from: offsetOf(from, start), to: offsetOf(to, stop) },
      fromOldest: oldest !== null && start!.get(split) === oldest.get(split),
    };
  });
}

function isOffsets(edge: Edge): edge is OffsetEdge {
  return edge !== null && edge.kind !== "time";
}

/** Null when there is nothing to read. Says what is missing. */
function planSplit(facts: Facts, resumed: string | undefined, missing: string[]): PlannedSplit | null {
  const { split, first, end } = facts;
  const from = resumed === undefined ? facts.from ?? first : Number(resumed), to = facts.to ?? end;
  const start = Math.max(first, from), stop = Math.min(end, to);
  if (from < first || resumed === undefined && facts.fromOldest && first > 0) {
    missing.push(
      from < first
        ? `Records of ${split} from offset ${from} to ${Math.min(to, first) - 1} have expired.`
        : `Records of ${split} before offset ${first} have expired; some may have been in the range.`,
    );
  } else if (to < first) {
    missing.push(`Records of ${split} before offset ${first} have expired, and with them the range.`);
  }
  if (from > end) missing.push(`${split} ends at offset ${end}: there is nothing from ${from} on yet.`);
  else if (to > end) missing.push(`${split} ends at offset ${end}: there is nothing from there to ${to} yet.`);
  if (start >= stop) return null;
  return { split, start: String(start), end: String(stop), after: [], weight: stop - start, details: {} };
}
