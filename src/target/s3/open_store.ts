import type { Runtime } from "../../runtime/runtime.ts";
import { describe } from "./errors.ts";
import type { ObjectStore } from "./object_store.ts";
import type { S3Settings } from "./options.ts";
import { withTimeLimit } from "../../runtime/time_limit.ts";

/** Makes the store: over the network, or the simulation's. @throws FatalError when it can't be. */
export type OpenStore = (settings: S3Settings, runtime: Runtime) => Promise<ObjectStore>;

/**
 * Opens the store, unless that takes too long: credentials come from services that may never answer.
 *
 * @throws RetriableError when it does; the signal's reason when it aborts.
 */
export function openStoreInTime(
  openStore: OpenStore,
  settings: S3Settings,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<ObjectStore> {
  const what = `find credentials for ${describe({ operation: "PutObject", settings })}`;
  const limit = { what, limitMs: settings.requestTimeoutMs, clock: runtime.clock, signal };
  return withTimeLimit(limit, () => openStore(settings, runtime));
}
