/** Where records are: splits, and places in them. */

/** One ordered part of a source: "topic/3", "stream/shardId-000000000001", "events.ndjson/5f2c81d09a3b". */
export type SplitId = string;

/**
 * A place in a split, as text: decimal numbers joined by ":" ("1042" for an offset, "4957...:3" for a sequence number
 * and its sub-sequence number). Always the place of the next record to read, unless said otherwise.
 */
export type Position = string;

/** Who owned the split when something was read: the group's generation, the lease's counter. Grows. */
export type Epoch = bigint;

/** -1, 0 or 1 as `a` is before, at or after `b` in their split. Missing later parts count as 0. */
export function comparePositions(a: Position, b: Position): number {
  const left = a.split(":"), right = b.split(":");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = BigInt(left[i] ?? 0), y = BigInt(right[i] ?? 0);
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** What a split belongs to: the topic, the stream, the file. It names the table of plain records. */
export function splitParent(split: SplitId): string {
  return split.slice(0, split.lastIndexOf("/"));
}

/** The part's own name: the partition number, the shard id. */
export function splitPart(split: SplitId): string {
  return split.slice(split.lastIndexOf("/") + 1);
}

/** What a source wants to find again beside the position: flat, so that it stays one short line. */
export type SplitDetails = Readonly<Record<string, string | number | boolean | null>>;
