import type { MetricsOrigin } from "./cloudwatch.ts";
import type { KinesisApi } from "./kinesis_api.ts";
import type { LeaseStore } from "../leases/lease_store.ts";

/** The outside: over the network, or the simulation's. */
export interface KinesisPorts {
  readonly api: KinesisApi;
  readonly store: LeaseStore;
  /** Publishes metrics until the signal aborts; undefined when nobody wants them. Never rejects. */
  publish?(origin: MetricsOrigin, signal: AbortSignal): Promise<void>;
  /** Tries whether it could publish, and publishes nothing; present with `publish`. @throws what is in the way. */
  checkPublish?(signal: AbortSignal): Promise<void>;
}
