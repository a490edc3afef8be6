/**
 * What is said of work that fails and is tried again: one line at the first failure, one every half minute with how long it has
 * lasted, one when it works again; whoever tries, and however many try the same at a time.
 */
import { formatBytes, formatSeconds } from "./format.ts";
import type { LogFields } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Runtime } from "./runtime.ts";

const SAY_EVERY_MS = 30_000;

interface Outage {
  /** Monotonic ms. */
  sinceMs: number;
  /** When the last line was written, of this outage or the one before; -Infinity for never. */
  saidMs: number;
  tries: number;
  /** Whether a line was written of this one. */
  told: boolean;
  over: boolean;
}

/** By what fails. A closed set, so that nothing grows: kinds of requests and brokers, never records or leases. */
const OUTAGES = new WeakMap<Metrics, Map<string, Outage>>();

function outagesOf(metrics: Metrics): Map<string, Outage> {
  let outages = OUTAGES.get(metrics);
  if (outages === undefined) OUTAGES.set(metrics, outages = new Map());
  return outages;
}

/** Work has failed and will be tried again. `what`: of a closed set, as in "s3 PutObject". */
export function failing(
  { clock, log, metrics }: Runtime,
  what: string,
  { error, fields = {} }: { error?: unknown; fields?: LogFields },
): void {
  const outages = outagesOf(metrics);
  const nowMs = clock.monotonicMs();
  let outage = outages.get(what);
  if (outage === undefined || outage.over) {
    outage = { sinceMs: nowMs, saidMs: outage?.saidMs ?? -Infinity, tries: 0, told: false, over: false };
    outages.set(what, outage);
  }
  const tries = ++outage.tries;
  const reason = error instanceof Error ? error.message : undefined;
  log.debug("a try failed", { what, tries, ...fields, reason });
  if (nowMs - outage.saidMs < SAY_EVERY_MS) return;
  outage.saidMs = nowMs;
  outage.told = true;
  const lastedMs = nowMs - outage.sinceMs;
  const heldBytes = metrics.total("collector_memory_held_bytes");
  const held = heldBytes > 0 ? `; ${formatBytes(heldBytes)} held` : "";
  const said = lastedMs === 0
    ? `${what} fails, trying again`
    : `${what} has failed for ${formatSeconds(lastedMs)} (${tries} tries), trying again`;
  log.warn(`${said}${held}`, { what, tries, seconds: Math.round(lastedMs / 1000), heldBytes, ...fields }, error);
  metrics.lastError = { atMs: nowMs, message: `${what}: ${reason ?? fields.reason ?? "fails"}` };
}

/** Work has been done. Says so if it was said to fail. */
export function working({ clock, log, metrics }: Runtime, what: string): void {
  const outage = OUTAGES.get(metrics)?.get(what);
  if (outage === undefined || outage.over) return;
  outage.over = true;
  const lastedMs = clock.monotonicMs() - outage.sinceMs;
  if (outage.told) {
    const seconds = Math.round(lastedMs / 1000);
    log.info(`${what} works again after ${formatSeconds(lastedMs)}`, { what, tries: outage.tries, seconds });
  }
  metrics.lastError = null;
}

/** It isn't tried any more: whoever gives up says why. */
export function givenUp({ metrics }: Runtime, what: string): void {
  const outage = OUTAGES.get(metrics)?.get(what);
  if (outage !== undefined) outage.over = true;
}
