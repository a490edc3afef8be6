import type { Metrics } from "../runtime/metrics.ts";

/** The counters as the status line and the summary show them. Sizes in bytes. */
export interface Progress {
  /** Read from the source, and the bytes of their values. */
  readonly records: number;
  readonly recordByteLength: number;
  /** What the records became. */
  readonly rows: number;
  readonly deadLetters: number;
  readonly dropped: number;
  /** Rows without an event time. */
  readonly untimed: number;
  /** Stored objects with rows, and their bytes. 0 with targets that take pages. */
  readonly objects: number;
  readonly objectByteLength: number;
  /** Rows that are durable in the target. */
  readonly writtenRows: number;
  /** Held in memory now. */
  readonly heldByteLength: number;
  /** How far the source is ahead of what was read: records, and ms. Null where it doesn't say. */
  readonly lagRecords: number | null;
  readonly lagMs: number | null;
  /** What fails now and is tried again, in one line; null when nothing does. */
  readonly lastError: string | null;
}

/** The sum of a gauge's series; null when there are none. */
function gaugeOf(metrics: Metrics, name: string): number | null {
  return metrics.samples().some((sample) => sample.name === name) ? metrics.total(name) : null;
}

export function progressOf(metrics: Metrics): Progress {
  const behindSeconds = gaugeOf(metrics, "collector_kinesis_behind_latest_seconds");
  return {
    records: metrics.total("collector_records_total"),
    recordByteLength: metrics.total("collector_record_bytes_total"),
    rows: metrics.total("collector_rows_total"),
    deadLetters: metrics.total("collector_dead_letters_total"),
    dropped: metrics.total("collector_dropped_total"),
    untimed: metrics.total("collector_rows_without_time_total"),
    objects: metrics.value("collector_objects_total", { purpose: "data" }),
    objectByteLength: metrics.value("collector_object_bytes_total", { purpose: "data" }),
    writtenRows: metrics.total("collector_written_rows_total"),
    heldByteLength: metrics.total("collector_memory_held_bytes"),
    lagRecords: gaugeOf(metrics, "kafka_lag_records"),
    lagMs: behindSeconds === null ? null : behindSeconds * 1000,
    lastError: metrics.lastError?.message ?? null,
  };
}

/** Records that could not be decoded, whatever became of them. */
export function rejectedOf(metrics: Metrics): number {
  const dropped = metrics.value("collector_dropped_total", { reason: "dead-letter" });
  return metrics.total("collector_dead_letters_total") + dropped;
}

/** The series of a counter by the value of one label, largest first: {"malformed-json": 3, "bad-name": 1}. */
export function byLabel(metrics: Metrics, name: string, label: string): Record<string, number> {
  const series = metrics.samples().filter((sample) => sample.name === name && sample.value > 0);
  series.sort((a, b) => b.value - a.value);
  return Object.fromEntries(series.map(({ labels, value }) => [labels[label] ?? "", value]));
}
