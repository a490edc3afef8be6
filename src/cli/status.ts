/** What a person, or a log, is told while the work goes on. */
import type { Machine } from "../runtime/machine.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { formatBytes, formatCount, perSecond } from "./format.ts";
import { type Progress, progressOf } from "./progress.ts";
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
}

interface Moment {
  readonly atMs: number;
  readonly progress: Progress;
}

/** Tells every now and then how it goes, until the signal aborts; then takes the status line away. */
export async function showStatus(options: StatusOptions, signal: AbortSignal): Promise<void> {
  const { terminal, runtime, intervalMs } = options;
  if (intervalMs === 0) return;
  const periodMs = terminal.isTerminal ? intervalMs : Math.max(intervalMs, LOG_INTERVAL_MS);
  const look = (): Moment => ({ atMs: runtime.clock.monotonicMs(), progress: progressOf(runtime.metrics) });
  let last = look();
  while (await slept(runtime, periodMs, signal)) {
    const now = look();
    if (terminal.isTerminal) terminal.showStatus(statusLine(last, now, options));
    else logStatus(last, now, options);
    last = now;
  }
  terminal.showStatus("");
}

async function slept(runtime: Runtime, durationMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await runtime.clock.sleep(durationMs, signal);
    return true;
  } catch {
    return false; // the signal: there is nothing else that a sleep rejects with
  }
}

/** "1,234,567 rows  45,210 rows/s  18.2 MB/s  buffered 24 MB of 1.2 GB  14 files 230 MB  process 310 MB". */
export function statusLine(
  last: Moment,
  now: Moment,
  { machine, memoryByteLength }: Pick<StatusOptions, "machine" | "memoryByteLength">,
): string {
  const { progress } = now;
  const elapsedMs = now.atMs - last.atMs;
  const parts = [
    `${formatCount(progress.rows)} rows`,
    `${formatCount(perSecond(progress.rows - last.progress.rows, elapsedMs))} rows/s`,
    `${formatBytes(perSecond(progress.recordByteLength - last.progress.recordByteLength, elapsedMs))}/s`,
    `buffered ${formatBytes(progress.heldByteLength)} of ${formatBytes(memoryByteLength)}`,
  ];
  if (progress.objects > 0) {
    parts.push(`${formatCount(progress.objects)} files ${formatBytes(progress.objectByteLength)}`);
  }
  if (progress.deadLetters > 0) parts.push(`${formatCount(progress.deadLetters)} dead letters`);
  parts.push(`process ${formatBytes(machine.usedByteLength())}`);
  return parts.join("  ");
}

function logStatus(last: Moment, now: Moment, { runtime, machine, memoryByteLength }: StatusOptions): void {
  const { progress } = now;
  const elapsedMs = now.atMs - last.atMs;
  runtime.log.info("status", {
    rows: progress.rows,
    rowsPerSecond: Math.round(perSecond(progress.rows - last.progress.rows, elapsedMs)),
    bytesPerSecond: Math.round(perSecond(progress.recordByteLength - last.progress.recordByteLength, elapsedMs)),
    heldBytes: progress.heldByteLength,
    limitBytes: memoryByteLength,
    objects: progress.objects,
    deadLetters: progress.deadLetters,
    processBytes: machine.usedByteLength(),
  });
}
