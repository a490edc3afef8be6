/** Runs worlds for main.ts, one at a time, on a core of its own. */
/// <reference lib="deno.worker" />
import { Coverage } from "./profile.ts";
import { WORLDS } from "./worlds.ts";

export interface WorkerOrder {
  readonly world: string;
  readonly seed: number;
}

export interface WorkerAnswer {
  /** What was found; null when everything held. */
  readonly error: string | null;
  readonly counts: readonly (readonly [string, number])[];
}

self.onmessage = async ({ data }: MessageEvent<WorkerOrder>) => {
  const coverage = new Coverage();
  let error: string | null = null;
  try {
    await WORLDS[data.world].run(data.seed, coverage);
  } catch (thrown) {
    error = String((thrown as Error)?.stack ?? thrown);
  }
  self.postMessage({ error, counts: coverage.entries } satisfies WorkerAnswer);
};
