import type { ByteBudget } from "../../../runtime/byte_budget.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Position, SplitId } from "../../../records/position.ts";
import { recordAt } from "../leases/checkpoint.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  ShardGoneError,
  type StreamRecord,
} from "../aws/kinesis_api.ts";
import { ReadFailures } from "./read_failures.ts";
import { RecordChunk } from "./record_chunk.ts";
import { ShardPages } from "./shard_pages.ts";
import type { ReadLimits } from "./shard_reader.ts";
import type { TimeBound } from "./time_bound.ts";

/**
 * A moment is looked for from so much earlier on: arrival times of a shard aren't quite in order, and the first record
 * that arrived at or after the moment must be the same one as when it is found by reading on from earlier records.
 */
export const LOOK_BACK_MS = 5_000;
/** Records to ask for at a time, to find one: the next, the one behind another, or one after some seconds of others. */
const PAGE_RECORDS = { oldest: 1, position: 10, time: 500 } as const;

/** Where a shard's part of a range begins. */
export type RangeBegin =
  /** With the oldest record. */
  | { readonly type: "oldest" }
  /** With the first record that arrived then or later, epoch ms. */
  | { readonly type: "time"; readonly timestampMs: number }
  /** Where an earlier job has ended. */
  | { readonly type: "position"; readonly position: Position };

export interface FirstRecordOptions {
  readonly api: KinesisApi;
  readonly runtime: Runtime;
  readonly shard: string;
  readonly split: SplitId;
  readonly begin: RangeBegin;
  readonly bound: TimeBound;
  readonly limits: ReadLimits;
  readonly calls: ByteBudget;
  readonly signal: AbortSignal;
}

/** What was found, and whether the record to go on at has left the stream, maybe with others after it. */
export interface FirstRecord {
  /** Undefined when there is nothing before the bound. */
  readonly record: StreamRecord | undefined;
  readonly skipped: boolean;
}

/** Looks for the first record of a shard's part of a range. Reads no further. */
export async function findFirstRecord(options: FirstRecordOptions): Promise<FirstRecord> {
  const { api, runtime, shard, split, begin, bound, limits, calls, signal } = options;
  const { clock } = runtime;
  const pages = new ShardPages(api, shard, clock), failures = new ReadFailures(split, runtime);
  let place = placeOf(begin), skipped = false;
  for (;;) {
    let pauseMs = limits.minIntervalMs;
    try {
      const askedMs = api.serverTimeMs() ?? clock.now();
      const done = await calls.acquire(1, signal);
      const page = await pages.next(place, PAGE_RECORDS[begin.type], signal).finally(done);
      failures.succeeded();
      skipped ||= page.skipped && begin.type === "position";
      const record = page.records.find((record) => belongs(record, begin));
      if (record !== undefined) return { record: bound.isAt(record) ? undefined : record, skipped };
      if (page.nextIterator === undefined || bound.cut(page, askedMs).reached) return { record: undefined, skipped };
      const last = page.records.at(-1);
      if (last !== undefined) place = { type: "AT_SEQUENCE_NUMBER", sequence: last.sequence };
      else if (page.behindLatestMs === 0) pauseMs = limits.pollIntervalMs;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ShardGoneError) return { record: undefined, skipped: true };
      if (error instanceof ExpiredIteratorError) pages.restart();
      pauseMs = failures.pauseMs(error);
    }
    await clock.sleep(pauseMs, signal);
  }
}

function placeOf(begin: RangeBegin): IteratorPlace {
  if (begin.type === "time") {
    return { type: "AT_TIMESTAMP", timestampMs: Math.max(0, begin.timestampMs - LOOK_BACK_MS) };
  }
  const record = begin.type === "position" ? recordAt(begin.position) : undefined;
  return record === undefined ? { type: "TRIM_HORIZON" } : { type: "AT_SEQUENCE_NUMBER", sequence: record.sequence };
}

function belongs(record: StreamRecord, begin: RangeBegin): boolean {
  if (begin.type === "time") return !(record.arrivalMs < begin.timestampMs);
  if (begin.type === "oldest") return true;
  const options = { wantsKeys: false, maxRecordByteLength: 0, from: begin.position };
  return new RecordChunk([record], options).rowCount > 0;
}
