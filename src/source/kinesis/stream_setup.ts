import { retry, RETRY_UNTIL_STOPPED } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { KinesisPorts } from "./aws/kinesis_ports.ts";
import type { LeaseTable } from "./leases/lease_table.ts";
import type { KinesisSettings } from "./settings.ts";
import { ShardSync } from "./leases/shard_sync.ts";
import { waitForTable } from "./leases/wait_for_table.ts";

/** Tries until it succeeds, or the signal aborts, or trying again doesn't help. */
export function persistently<T>(
  what: string,
  work: () => Promise<T>,
  { runtime, signal }: { runtime: Runtime; signal: AbortSignal },
): Promise<T> {
  return retry(what, work, { policy: RETRY_UNTIL_STOPPED, runtime, signal });
}

export interface SetupOptions {
  readonly table: LeaseTable;
  readonly settings: KinesisSettings;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Sees that there are a table, leases, and a consumer if one is wanted. Returns what looks after the leases from then on. */
export async function prepareStream(
  { api, store }: KinesisPorts,
  { table, settings, runtime, signal }: SetupOptions,
): Promise<ShardSync> {
  const { leaseTable, initialPosition, initialTimestampMs, enhancedFanOut } = settings;
  const initial = { type: initialPosition, timestampMs: initialTimestampMs };
  const sync = new ShardSync(api, table, { runtime, initial, leaseTable });
  const options = { runtime, signal };
  const wait = () => waitForTable(store, { runtime, table: leaseTable, signal });
  await persistently("kinesis find lease table", wait, options);
  await persistently("kinesis create leases", () => sync.run(signal), options);
  if (enhancedFanOut) {
    await persistently("kinesis register consumer", () => api.registerConsumer(leaseTable, signal), options);
  }
  return sync;
}
