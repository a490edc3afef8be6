import type { Runtime } from "../../runtime/runtime.ts";
import { sleepUntilAborted } from "./concurrency.ts";
import type { Item, LeaseStore } from "./lease_store.ts";

/** A leader of KCL 3 takes a worker for dead whose row is older than 60 s. */
const PERIOD_MS = 30_000;

/** Our row among the workers of a KCL 3 fleet: its leader assigns shards only to workers that have one. */
export class WorkerRow {
  readonly #store: LeaseStore;
  readonly #workerId: string;
  readonly #runtime: Runtime;

  constructor(store: LeaseStore, { workerId, runtime }: { workerId: string; runtime: Runtime }) {
    this.#store = store;
    this.#workerId = workerId;
    this.#runtime = runtime;
  }

  /** Keeps the row fresh until the signal aborts. Never rejects. */
  async publish(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#runtime;
    do {
      try {
        if (!await this.#put(signal)) {
          log.error(
            "no leader will assign shards to this worker: the fleet keeps no table of worker metrics; set " +
              "kinesis.lease-assignment=take, or start a KCL 3 worker first",
          );
        }
      } catch (error) {
        if (!signal.aborted) log.warn("could not publish this worker's row; trying again", {}, error);
      }
    } while (await sleepUntilAborted(clock, PERIOD_MS, signal));
  }

  /** False when the fleet has no place for such rows. */
  async #put(signal: AbortSignal): Promise<boolean> {
    const row: Item = {
      wid: { S: this.#workerId },
      lut: { N: String(Math.floor(this.#runtime.clock.now() / 1000)) },
      sts: { M: {} },
      opr: { M: {} },
    };
    if (await this.#store.putWorkerRow(row, signal)) return true;
    const item = await this.#inLeaseTable(signal);
    if (item === undefined) return false;
    const key = item.leaseKey!.S!;
    const update = { when: {}, set: { ...row, entityType: { S: "WORKER_METRIC_STATS" } } };
    if (await this.#store.update(key, update, signal)) return true;
    return await this.#store.put({ leaseKey: { S: key }, ...update.set }, signal);
  }

  /** Newer fleets keep the rows in the lease table: our key is theirs with another worker's name in it. */
  async #inLeaseTable(signal: AbortSignal): Promise<Item | undefined> {
    for (const item of await this.#store.scan(signal)) {
      const key = item.leaseKey?.S, worker = item.wid?.S;
      if (item.entityType?.S !== "WORKER_METRIC_STATS" || key === undefined || worker === undefined) continue;
      if (key.endsWith(worker)) return { leaseKey: { S: key.slice(0, -worker.length) + this.#workerId } };
    }
    return undefined;
  }
}
