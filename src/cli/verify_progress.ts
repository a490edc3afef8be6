import type { Runtime } from "../runtime/runtime.ts";
import { sleepUntilAborted } from "../runtime/sleep.ts";
import type { Progress } from "../verify/progress.ts";
import { formatBytes, formatCount } from "../runtime/format.ts";
import type { Terminal } from "./terminal.ts";

const PERIOD_MS = 500;

/** Shows on a terminal how far the audit is, until the signal aborts. */
export async function showProgress(
  progress: Progress,
  { terminal, runtime }: { terminal: Terminal; runtime: Runtime },
  signal: AbortSignal,
): Promise<void> {
  if (!terminal.isTerminal) return;
  while (await sleepUntilAborted(runtime.clock, PERIOD_MS, signal)) {
    terminal.showStatus(progressLine(progress));
  }
  terminal.showStatus("");
}

/** "looking at objects: 1,234 manifests, 56,789 objects, 1.2 GB read". */
export function progressLine({ stage, manifests, objects, readByteLength }: Progress): string {
  const parts = [`${formatCount(manifests)} manifests`];
  if (objects > 0) parts.push(`${formatCount(objects)} objects`);
  if (readByteLength > 0) parts.push(`${formatBytes(readByteLength)} read`);
  return `looking at ${stage}: ${parts.join(", ")}`;
}
