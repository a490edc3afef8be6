import type { Metrics } from "../runtime/metrics.ts";
import type { SealedOutput } from "./messages.ts";

/** Counts what a seal says of its records: rows, dead letters by code, drops by reason, and seconds by stage. */
export function countOutput(metrics: Metrics, { counts, deadLetters, oddTimes = [], stageMs }: SealedOutput): void {
  for (const { rows, dropped } of counts) {
    metrics.count("collector_rows_total", rows);
    for (const [reason, count] of Object.entries(dropped)) metrics.count("collector_dropped_total", count, { reason });
  }
  for (const { untimed } of oddTimes) metrics.count("collector_rows_without_time_total", untimed);
  for (const [code, count] of Object.entries(deadLetters?.codes ?? {})) {
    metrics.count("collector_dead_letters_total", count, { code });
  }
  for (const [stage, ms] of Object.entries(stageMs)) {
    metrics.count("collector_stage_seconds_total", ms / 1000, { stage });
  }
}
