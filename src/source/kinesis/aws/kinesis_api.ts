/** The port to the stream: the service in life, memory in the simulation. */
import { FatalError } from "../../../runtime/errors.ts";

export interface Shard {
  readonly id: string;
  /** None, one (it was split off), or two (it was merged); those that are still listed or not. */
  readonly parents: readonly string[];
  readonly startingHashKey: string;
  readonly endingHashKey: string;
  /** False when it takes no more records. */
  readonly open: boolean;
}

export interface StreamRecord {
  /** Decimal. */
  readonly sequence: string;
  readonly data: Uint8Array;
  readonly partitionKey: string;
  /** Epoch ms; NaN when the service doesn't say. */
  readonly arrivalMs: number;
}

/** Where an iterator starts. */
export type IteratorPlace =
  | { readonly type: "TRIM_HORIZON" | "LATEST" }
  | { readonly type: "AT_TIMESTAMP"; readonly timestampMs: number }
  | { readonly type: "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER"; readonly sequence: string };

export interface RecordsPage {
  readonly records: readonly StreamRecord[];
  /** Undefined at the shard's end. */
  readonly nextIterator: string | undefined;
  readonly behindLatestMs: number;
}

/** What a subscription pushed at a time. */
export interface PushedPage {
  readonly records: readonly StreamRecord[];
  /** Where to subscribe next, after this sequence number; undefined at the shard's end. */
  readonly continuation: string | undefined;
  readonly behindLatestMs: number;
}

export interface StreamInfo {
  readonly arn: string;
  /** ACTIVE, UPDATING, CREATING, DELETING. */
  readonly status: string;
  readonly openShardCount: number;
  readonly retentionHours: number;
  /** Epoch ms; NaN when the service doesn't say. */
  readonly createdMs: number;
}

/** The iterator is too old: get a new one and go on. */
export class ExpiredIteratorError extends Error {
  override readonly name = "ExpiredIteratorError";
}

/** There is no such shard (any more): its records have left the stream. */
export class ShardGoneError extends Error {
  override readonly name = "ShardGoneError";
}

/** The sequence number is none of this stream's: reading can't begin there. */
export class ForeignSequenceError extends FatalError {}

/** Errors of all: RetriableError when a later try may succeed, FatalError when it can't, and those above. */
export interface KinesisApi {
  describeStream(signal: AbortSignal): Promise<StreamInfo>;
  /** All shards, over all pages; with `timestampMs` those that were open then or later. */
  listShards(signal: AbortSignal, timestampMs?: number): Promise<Shard[]>;
  getIterator(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<string>;
  getRecords(iterator: string, limit: number | undefined, signal: AbortSignal): Promise<RecordsPage>;
  /** The state of this application's registration as a consumer; undefined when there is none. `subscribe` works then. */
  findConsumer(name: string, signal: AbortSignal): Promise<string | undefined>;
  /** Sees that this application is registered as a consumer of the stream (enhanced fan-out); before `subscribe`. */
  registerConsumer(name: string, signal: AbortSignal): Promise<void>;
  /**
   * Records as the service pushes them, for 5 minutes at the most; then the iteration ends, and the next subscription
   * goes on after the last `continuation`. The signal ends it at any time; the caller aborts it in any case, also when
   * this rejects.
   */
  subscribe(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<AsyncIterable<PushedPage>>;
  /** The service's wall time, epoch ms; undefined when it isn't known. */
  serverTimeMs(): number | undefined;
  close(): void;
}
