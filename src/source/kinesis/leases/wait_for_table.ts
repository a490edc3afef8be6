import { FatalError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { LeaseStore } from "./lease_store.ts";

const POLL_MS = 500;
const MAX_POLLS = 600;
const RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 5_000, maxAttempts: 8 };

/** Returns when the lease table can be used; creates it when it isn't there. @throws FatalError when that fails. */
export async function waitForTable(
  store: LeaseStore,
  { runtime, table, signal }: { runtime: Runtime; table: string; signal: AbortSignal },
): Promise<void> {
  const options = { policy: RETRIES, runtime, signal };
  let created = false;
  for (let polls = 0; polls < MAX_POLLS; polls++) {
    const state = await retry("kinesis describe table", () => store.describeTable(signal), options);
    if (state === "active") return;
    if (state === "missing" && !created) {
      runtime.log.info("creating the lease table", { table });
      await retry("kinesis create table", () => store.createTable(signal), options);
      created = true;
    } else await runtime.clock.sleep(polls < 20 ? POLL_MS / 10 : POLL_MS, signal);
  }
  throw new FatalError(`the lease table ${table} does not become ready: look at it in DynamoDB`);
}
