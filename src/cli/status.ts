/** What a person, or a log, is told while the work goes on. */
import type { Machine } from "../runtime/machine.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { sleepUntilAborted } from "../runtime/sleep.ts";
import { formatBytes, formatCount, formatSeconds, perSecond } from "../runtime/format.ts";
import { type Progress, progressOf } from "./progress.ts";
import { redactUrls } from "../config/secrets.ts";
import type { Terminal } from "./terminal.ts";

/** Where there is no terminal, the log gets a line this often. */
const LOG_INTERVAL_MS = 60_000;

export interface StatusOptions {
  readonly terminal: Terminal;
  readonly runtime: Runtime;
  readonly machine: Machine;
  /** Buffers may fill this many bytes. */
  readonly memoryByteLength: number;
  /** Between two lines on a terminal; 0: never say anything. */
  readonly intervalMs: number;
  /** Between two lines of the log, where there is no terminal; a minute when unset. */
  readonly logIntervalMs?: number;
  /** How much of the work is done, 0 to 1, for work that has an end; NaN when that can't be told. */
  share?(): number;
}

interface Moment {
  readonly atMs: number;
  readonly progress: Progress;
  readonly share?: number;
}

/** How much of bounded work is done, and how long the rest takes at the pace since the first look, ms. */
export interface Remaining {
  readonly share: number;
  /** NaN when nothing says how long. */
  readonly leftMs: number;
}

/** Null for work without an end, and where that can't be told. */
export function remainingOf(first: Moment, now: Moment): Remaining | null {
  if (now.share === undefined || Number.isNaN(now.share)) return null;
  const before = first.share ?? 0;
  const pace = (now.share - before) / (now.atMs - first.atMs);
  return { share: now.share, leftMs: pace > 0 ? (1 - now.share) / pace : NaN };
}

const BAR_LENGTH = 20;

/** "[######--------------]  31%  3m 12s left  ", or nothing. */
export function remainingText(remaining: Remaining | null): string {
  if (remaining === null) return "";
  const { share, leftMs } = remaining;
  const full = Math.floor(share * BAR_LENGTH);
  const left = Number.isNaN(leftMs) ? "" : `${formatSeconds(leftMs)} left  `;
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `[${"#".repeat(full)}${"-".repeat(BAR_LENGTH - full)}] ${percent}%  ${left}`;
}

/** Tells every now and then how it goes, until the signal aborts; then takes the status line away. */
export async function showStatus(options: StatusOptions, signal: AbortSignal): Promise<void> {
  const { terminal, runtime, intervalMs, logIntervalMs = LOG_INTERVAL_MS } = options;
  if (intervalMs === 0) return;
  const periodMs = terminal.isTerminal ? intervalMs : Math.max(intervalMs, logIntervalMs);
  const look = (): Moment => {
    const share = options.share?.();
    return { atMs: runtime.clock.monotonicMs(), progress: progressOf(runtime.metrics), ...(share && { share }) };
  };
  const first = look();
  let last = first;
  while (await sleepUntilAborted(runtime.clock, periodMs, signal)) {
    const now = look();
    const remaining = remainingOf(first, now);
    if (terminal.isTerminal) terminal.showStatus(`${remainingText(remaining)}${statusLine(last, now, options)}`);
    else logStatus(last, now, { ...options, remaining });
    last = now;
  }
  terminal.showStatus("");
}

/** "1,234,567 records  45,210/s  18.2 MB/s  1,230,000 rows written  lag 12s  24 MB of 1.2 GB held  3 dead letters". */
export function statusLine(
  last: Moment,
  now: Moment,
  { memoryByteLength }: Pick<StatusOptions, "memoryByteLength">,
): string {
  const { progress } = now;
  const elapsedMs = now.atMs - last.atMs;
  const parts = [
    `${formatCount(progress.records)} records`,
    `${formatCount(perSecond(progress.records - last.progress.records, elapsedMs))}/s`,
    `${formatBytes(perSecond(progress.recordByteLength - last.progress.recordByteLength, elapsedMs))}/s`,
    `${formatCount(progress.writtenRows)} rows written`,
  ];
  if (progress.lagRecords !== null) parts.push(`lag ${formatCount(progress.lagRecords)}`);
  if (progress.lagMs !== null) parts.push(`lag ${formatSeconds(progress.lagMs)}`);
  parts.push(`${formatBytes(progress.heldByteLength)} of ${formatBytes(memoryByteLength)} held`);
  if (progress.untimed > 0) parts.push(`${Math.ceil(progress.untimed / progress.rows * 100)}% without event time`);
  if (progress.deadLetters > 0) parts.push(`${formatCount(progress.deadLetters)} dead letters`);
  if (progress.lastError !== null) parts.push(`failing: ${redactUrls(progress.lastError).replaceAll(/\p{Cc}/gu, " ")}`);
  return parts.join("  ");
}

function logStatus(
  last: Moment,
  now: Moment,
  { runtime, machine, memoryByteLength, remaining }: StatusOptions & { remaining: Remaining | null },
): void {
  const { progress } = now;
  const elapsedMs = now.atMs - last.atMs;
  runtime.log.info("status", {
    ...(remaining && { percent: Math.floor(remaining.share * 100) }),
    ...(remaining && !Number.isNaN(remaining.leftMs) && { secondsLeft: Math.round(remaining.leftMs / 1000) }),
    records: progress.records,
    recordsPerSecond: Math.round(perSecond(progress.records - last.progress.records, elapsedMs)),
    rows: progress.rows,
    rowsPerSecond: Math.round(perSecond(progress.rows - last.progress.rows, elapsedMs)),
    writtenRows: progress.writtenRows,
    lagRecords: progress.lagRecords ?? undefined,
    lagSeconds: progress.lagMs === null ? undefined : Math.round(progress.lagMs / 1000),
    failing: progress.lastError ?? undefined,
    bytesPerSecond: Math.round(perSecond(progress.recordByteLength - last.progress.recordByteLength, elapsedMs)),
    heldBytes: progress.heldByteLength,
    limitBytes: memoryByteLength,
    objects: progress.objects,
    deadLetters: progress.deadLetters,
    ...(progress.untimed > 0 && { rowsWithoutTime: progress.untimed }),
    processBytes: machine.usedByteLength(),
  });
}
