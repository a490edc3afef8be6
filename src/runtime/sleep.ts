import type { Clock } from "./clock.ts";

/** False when the signal aborted, before or meanwhile. */
export async function sleepUntilAborted(clock: Clock, durationMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(Math.max(0, durationMs), signal);
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
