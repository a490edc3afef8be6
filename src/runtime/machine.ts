/** What the machine, or the container on it, offers this process. */
import process from "node:process";
import { memoryLimitByteLength } from "./memory.ts";

export interface Machine {
  /** Cores that threads may run on. */
  readonly cores: number;
  /** Memory that this process may use; undefined when it can't be found out. */
  readonly memoryByteLength: number | undefined;
  /** Whether a container or a service manager has set it for this process alone; otherwise others live here, too. */
  readonly framed?: boolean;
  /** Memory that this process uses now (its resident set), bytes. */
  usedByteLength(): number;
}

/** Without --allow-all the runtime keeps /proc and /sys closed, whatever else is allowed; it reads cgroups by itself then. */
function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // not there, or not allowed
  }
}

/** The machine's memory. Needs --allow-sys=systemMemoryInfo. */
function totalByteLength(): number {
  try {
    return Deno.systemMemoryInfo().total;
  } catch {
    return Infinity;
  }
}

/** Asks the system. Missing permissions make the answer coarser, never an error. */
export function thisMachine(): Machine {
  const constrained = process.constrainedMemory();
  const total = totalByteLength();
  const limit = memoryLimitByteLength(Math.min(total, constrained > 0 ? constrained : Infinity), readText);
  return {
    cores: Math.max(1, navigator.hardwareConcurrency),
    memoryByteLength: limit < 2 ** 52 ? limit : undefined,
    framed: limit < total,
    usedByteLength: () => Deno.memoryUsage().rss,
  };
}
