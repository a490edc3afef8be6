/** What is said at the end. */
import type { LogFields } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { formatBytes, formatCount, formatSeconds, perSecond } from "../runtime/format.ts";
import { byLabel, type Progress, progressOf } from "./progress.ts";

export interface SummaryOptions {
  readonly metrics: Metrics;
  readonly elapsedMs: number;
  /** Where dead letters are, for people. */
  readonly deadLettersAt: string;
}

/** "3 malformed-json, 1 bad-name". */
function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${formatCount(count)} ${name}`).join(", ");
}

/** The summary as a log line's fields. */
export function summaryFields({ metrics, elapsedMs, deadLettersAt }: SummaryOptions): LogFields {
  const { records, recordByteLength, rows, writtenRows, deadLetters, dropped, untimed, objects, objectByteLength } =
    progressOf(
      metrics,
    );
  return {
    records,
    recordBytes: recordByteLength,
    rows,
    writtenRows,
    deadLetters,
    ...(deadLetters === 0
      ? {}
      : { deadLettersByCode: listed(byLabel(metrics, "collector_dead_letters_total", "code")), deadLettersAt }),
    ...(untimed > 0 && { rowsWithoutTime: untimed }),
    dropped,
    ...(dropped === 0 ? {} : { droppedByReason: listed(byLabel(metrics, "collector_dropped_total", "reason")) }),
    objects,
    objectBytes: objectByteLength,
    flushes: listed(byLabel(metrics, "collector_flushes_total", "trigger")),
    seconds: Math.round(elapsedMs) / 1000,
    recordsPerSecond: Math.round(perSecond(records, elapsedMs)),
    bytesPerSecond: Math.round(perSecond(recordByteLength, elapsedMs)),
  };
}

/** " (12%)", of all rows. */
function shareOf({ untimed, rows }: Pick<Progress, "untimed" | "rows">): string {
  return rows > 0 ? ` (${Math.ceil(untimed / rows * 100)}%)` : "";
}

/** The summary for people: some lines, aligned. */
export function summaryText({ metrics, elapsedMs, deadLettersAt }: SummaryOptions): string {
  const progress = progressOf(metrics);
  const lines: [string, string][] = [
    ["records", `${formatCount(progress.records)}, ${formatBytes(progress.recordByteLength)}`],
    ["rows", `${formatCount(progress.rows)}, ${formatCount(progress.writtenRows)} of them written`],
  ];
  if (progress.untimed > 0) lines.push(["without time", `${formatCount(progress.untimed)} rows${shareOf(progress)}`]);
  if (progress.deadLetters > 0) {
    const codes = listed(byLabel(metrics, "collector_dead_letters_total", "code"));
    lines.push(["dead letters", `${formatCount(progress.deadLetters)} (${codes}) in ${deadLettersAt}`]);
  }
  if (progress.dropped > 0) {
    const reasons = listed(byLabel(metrics, "collector_dropped_total", "reason"));
    lines.push(["dropped", `${formatCount(progress.dropped)} (${reasons})`]);
  }
  if (progress.objects > 0) {
    lines.push(["objects", `${formatCount(progress.objects)}, ${formatBytes(progress.objectByteLength)}`]);
  }
  const flushes = listed(byLabel(metrics, "collector_flushes_total", "trigger"));
  if (flushes !== "") lines.push(["flushes", flushes]);
  const rows = formatCount(perSecond(progress.records, elapsedMs));
  const bytes = formatBytes(perSecond(progress.recordByteLength, elapsedMs));
  lines.push(["time", `${formatSeconds(elapsedMs)}, ${rows} records/s, ${bytes}/s`]);
  return lines.map(([name, text]) => `  ${name.padEnd(12)}  ${text}\n`).join("");
}
