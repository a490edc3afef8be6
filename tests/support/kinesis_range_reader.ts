import { assertEquals } from "@std/assert";
import { type PollLimit, positionText } from "../../src/records/record_batch.ts";
import { MAX_RANGES_AT_ONCE, RANGE_EPOCH, type RangePlan } from "../../src/records/range.ts";
import type { RangeSource } from "../../src/source/range_source.ts";
import type { Position, SplitId } from "../../src/records/position.ts";
import { textAt } from "./batch_texts.ts";

/** What was read of one split. */
export interface ReadSplit {
  /** "position value" of each row. */
  readonly rows: string[];
  /** Where the last batch ended. */
  end: Position;
  /** How many splits had ended when this one was begun. */
  readonly begunAfter: readonly SplitId[];
}

const NEVER = new AbortController().signal;

/** Reads a plan as a replay does: up to 16 splits in turns, in the plan's order, none before those that it comes after. */
export async function readPlan(
  ranges: RangeSource,
  { splits }: RangePlan,
  limit: PollLimit = { maxBytes: 1 << 16, maxRows: 7 },
): Promise<Map<SplitId, ReadSplit>> {
  await ranges.open(splits, NEVER);
  const found = new Map<SplitId, ReadSplit>(), ended = new Set<SplitId>();
  const planned = new Set(splits.map(({ split }) => split));
  for (let open: SplitId[] = []; ended.size < splits.length;) {
    for (const one of splits) {
      if (open.length === MAX_RANGES_AT_ONCE) break;
      const ready = one.after.every((parent) => ended.has(parent) || !planned.has(parent));
      if (found.has(one.split) || !ready) continue;
      ranges.begin(one, one.start);
      found.set(one.split, { rows: [], end: one.start, begunAfter: [...ended] });
      open.push(one.split);
    }
    for (const split of open) {
      const batch = await ranges.read(split, limit, NEVER);
      if (batch === "end") {
        assertEquals(ranges.progress(split), 1);
        ended.add(split);
        continue;
      }
      const read = found.get(split)!;
      assertEquals([batch.split, batch.epoch, batch.start], [split, RANGE_EPOCH, read.end]);
      for (let i = 0; i < batch.rowCount; i++) read.rows.push(`${positionText(batch, i)} ${textAt(batch, i)}`);
      read.end = batch.next;
    }
    open = open.filter((split) => !ended.has(split));
  }
  return found;
}

/** The values of all rows, sorted. */
export function valuesOf(read: ReadonlyMap<SplitId, ReadSplit>): string[] {
  return Array.from(read.values()).flatMap(({ rows }) => rows.map((row) => row.slice(row.indexOf(" ") + 1))).sort();
}
