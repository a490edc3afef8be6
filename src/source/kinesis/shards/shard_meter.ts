import type { Runtime } from "../../../runtime/runtime.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { ShardReader } from "./shard_reader.ts";

const GAUGE_PERIOD_MS = 2_000;

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
  readonly #runtime: Pick<Runtime, "clock" | "metrics">;
  /** Of shards that were ours since the last look: bounded by the stream's shards. */
  readonly #counts = new Map<string, { records: number; bytes: number }>();

  constructor(runtime: Pick<Runtime, "clock" | "metrics">) {
    this.#runtime = runtime;
  }

  count(shard: string, records: number, bytes: number): void {
    const before = this.#counts.get(shard);
    this.#counts.set(shard, { records: (before?.records ?? 0) + records, bytes: (before?.bytes ?? 0) + bytes });
  }

  /** Sets the gauges every few seconds, until the signal aborts. */
  async loop(readers: () => readonly ShardReader[], signal: AbortSignal): Promise<void> {
    const { clock, metrics } = this.#runtime;
    while (await sleepUntilAborted(clock, GAUGE_PERIOD_MS, signal)) {
      const reading = readers();
      const behindMs = reading.reduce((most, { behindLatestMs }) => Math.max(most, behindLatestMs), 0);
      metrics.gauge("collector_kinesis_behind_latest_seconds", behindMs / 1000);
      metrics.gauge("collector_kinesis_shards", reading.length);
    }
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
