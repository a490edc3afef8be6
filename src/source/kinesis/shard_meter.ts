import type { Metrics } from "../../runtime/metrics.ts";
import type { ShardReader } from "./shard_reader.ts";

/** What became of a shard's records since the last look. */
export interface ShardCounts {
  readonly shard: string;
  readonly records: number;
  readonly bytes: number;
  /** Undefined when the shard is no longer ours. */
  readonly behindLatestMs: number | undefined;
}

/** Counts what was given to the loop, shard by shard. */
export class ShardMeter {
  readonly #metrics: Metrics;
  /** Of shards that were ours since the last look: bounded by the stream's shards. */
  readonly #counts = new Map<string, { records: number; bytes: number }>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  count(shard: string, records: number, bytes: number): void {
    const before = this.#counts.get(shard);
    this.#counts.set(shard, { records: (before?.records ?? 0) + records, bytes: (before?.bytes ?? 0) + bytes });
  }

  /** Sets the gauges. */
  gauge(readers: readonly ShardReader[]): void {
    const behindMs = readers.reduce((most, { behindLatestMs }) => Math.max(most, behindLatestMs), 0);
    this.#metrics.gauge("collector_kinesis_behind_latest_seconds", behindMs / 1000);
    this.#metrics.gauge("collector_kinesis_shards", readers.length);
  }

  /** The counts since the last call, and how far behind the shards that are read are now. */
  take(readers: readonly ShardReader[]): ShardCounts[] {
    const behind = new Map(readers.map(({ held, behindLatestMs }) => [held.key, behindLatestMs]));
    const shards = new Set([...this.#counts.keys(), ...behind.keys()]);
    const counts = [...shards].map((shard) => {
      const { records = 0, bytes = 0 } = this.#counts.get(shard) ?? {};
      return { shard, records, bytes, behindLatestMs: behind.get(shard) };
    });
    this.#counts.clear();
    return counts;
  }
}
