/**
 * What workers of KCL 3 leave in their tables about how they share the shards (awslabs/amazon-kinesis-client:
 * coordinator/migration/{MigrationState,TableMigrationState}.java, worker/metricstats/WorkerMetricStats.java). Until 3.4
 * in tables of their own, then moved into the lease table, which workers write as `tm` says:
 *
 *     Migration3.0        cv: CLIENT_VERSION_3X(_WITH_ROLLBACK): a leader assigns the shards; others: each worker takes its part
 *     TableMigration3.5   tm: ..._PENDING, ..._COMPLETE: rows of workers are in the lease table
 *     Leader              the lock of the leader, which deletes it when it stops
 *     a worker's row      lut: when it was written, epoch seconds. <application>-WorkerMetricStats: key wid;
 *                         lease table: key leaseKey, entityType WORKER_METRIC_STATS; the key is the worker's id
 */
import { FatalError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { isEnded, type Lease, parseLease } from "./lease.ts";
import type { Item, LeaseStore } from "./lease_store.ts";

const LOCK_KEY = "Leader", MIGRATION_KEY = "Migration3.0", TABLE_MIGRATION_KEY = "TableMigration3.5";
export const WORKER_ROW_TYPE = "WORKER_METRIC_STATS";
/** Rows are written every 30 s. Twice the time after which a leader takes a worker for dead: clocks may differ. */
const ALIVE_S = 120;
/** Our own attribute: by it collectors tell each other from KCL workers, which alone can lead. */
export const COLLECTOR_MARK = "collector";

export interface Fleet {
  /** Whether the fleet's way is that a leader assigns. */
  readonly leads: boolean;
  /** KCL workers that are alive; only counted when `leads`. */
  readonly workerCount: number;
  /** Whether a leader's lock is there, or might be; only looked for when `leads`. */
  readonly locked: boolean;
  /** Those under way that KCL workers own; only when `leads`. */
  readonly leases: readonly Lease[];
}

/** Whether a leader assigns now. */
export function isLed({ leads, workerCount }: Fleet): boolean {
  return leads && workerCount > 0;
}

/** Looks who shares the shards out. What it may not read counts as not being there. */
export async function lookAtFleet(store: LeaseStore, runtime: Runtime, signal: AbortSignal): Promise<Fleet> {
  const state = await store.get(MIGRATION_KEY, signal) ??
    await allowed(() => store.coordinatorState(MIGRATION_KEY, signal), runtime);
  if (!/^CLIENT_VERSION_3X/.test(state?.cv?.S ?? "")) {
    return { leads: false, workerCount: 0, locked: false, leases: [] };
  }
  const items = await store.scan(signal);
  const rows = [
    ...await allowed(() => store.workerRows(signal), runtime) ?? [],
    ...items.filter(({ entityType }) => entityType?.S === WORKER_ROW_TYPE),
  ];
  const collectors = new Set(rows.filter((row) => row[COLLECTOR_MARK] !== undefined).map(workerOf));
  const leases = items.map(parseLease).filter((lease) =>
    lease?.owner !== undefined && !isEnded(lease) && !collectors.has(lease.owner)
  ) as Lease[];
  const nowS = runtime.clock.now() / 1000;
  const alive = rows.filter((row) => row[COLLECTOR_MARK] === undefined && nowS - Number(row.lut?.N) < ALIVE_S);
  const workerCount = new Set(alive.map(workerOf)).size;
  return { leads: true, workerCount, locked: await isLocked(store, signal), leases };
}

/** Whether a leader's lock is there. True where that may not be read. */
export async function isLocked(store: LeaseStore, signal: AbortSignal): Promise<boolean> {
  if (await store.get(LOCK_KEY, signal) !== undefined) return true;
  try {
    return await store.coordinatorState(LOCK_KEY, signal) !== undefined;
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    return true;
  }
}

/** Whether workers write their rows into the lease table. */
export async function keepsRowsInLeaseTable(store: LeaseStore, signal: AbortSignal): Promise<boolean> {
  const state = await store.get(TABLE_MIGRATION_KEY, signal);
  return /_(PENDING|COMPLETE)$/.test(state?.tm?.S ?? "");
}

function workerOf({ wid, leaseKey }: Item): string {
  return wid?.S ?? leaseKey?.S ?? "";
}

async function allowed<T>(read: () => Promise<T>, { log }: Runtime): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    log.debug("can't read what a KCL 3 fleet keeps beside the lease table", { reason: error.message });
    return undefined;
  }
}
