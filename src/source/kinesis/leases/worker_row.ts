import { failing, working } from "../../../runtime/outage.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { Assignment } from "./assignment.ts";
import { COLLECTOR_MARK, keepsRowsInLeaseTable, WORKER_ROW_TYPE } from "./fleet.ts";
import type { Item, LeaseStore } from "./lease_store.ts";

/** A leader of KCL 3 takes a worker for dead whose row is older than 60 s. */
const PERIOD_MS = 30_000;
const RETIRE_RETRIES: RetryPolicy = { baseDelayMs: 50, maxDelayMs: 500, maxAttempts: 3 };
/** So old that no leader counts it, and the next one to look deletes it. */
const RETIRED_S = 0;

/** Our row among the workers of a KCL 3 fleet: its leader assigns shards only to workers that have one. */
export class WorkerRow {
  readonly #store: LeaseStore;
  readonly #workerId: string;
  readonly #runtime: Runtime;
  /** No write is broken off: it could happen after the row was retired. The store has a time limit. */
  readonly #patience = new AbortController().signal;

  constructor(store: LeaseStore, { workerId, runtime }: { workerId: string; runtime: Runtime }) {
    this.#store = store;
    this.#workerId = workerId;
    this.#runtime = runtime;
  }

  /**
   * Keeps the row fresh while a leader assigns, until the signal aborts; then retires it, so that nothing is assigned to
   * us any more. A leader takes no lease away for that which is still renewed. Never rejects.
   */
  async publish(assignment: () => Assignment, signal: AbortSignal): Promise<void> {
    const runtime = this.#runtime;
    let written = false;
    while (!signal.aborted) {
      if (assignment() === "leader") {
        written = true;
        try {
          await this.put(this.#patience);
          working(runtime, "kinesis publish worker");
        } catch (error) {
          failing(runtime, "kinesis publish worker", { error });
        }
      }
      await sleepUntilAborted(runtime.clock, PERIOD_MS, signal);
    }
    if (!written) return;
    const options = { policy: RETIRE_RETRIES, runtime, signal: this.#patience };
    await retry("kinesis retire worker", () => this.put(this.#patience, RETIRED_S), options).catch((error) =>
      runtime.log.warn(
        "a leader may assign shards to this worker for a minute yet",
        { workerId: this.#workerId },
        error,
      )
    );
  }

  /** Writes the row where the fleet's workers have theirs: see fleet.ts. `writtenS` is what it says of when, epoch s. */
  async put(signal: AbortSignal, writtenS = Math.floor(this.#runtime.clock.now() / 1000)): Promise<void> {
    const row: Item = {
      lut: { N: String(writtenS) },
      sts: { M: {} },
      opr: { M: {} },
      [COLLECTOR_MARK]: { S: "1" },
    };
    const inLeaseTable = await keepsRowsInLeaseTable(this.#store, signal);
    if (!inLeaseTable && await this.#store.putWorkerRow({ ...row, wid: { S: this.#workerId } }, signal)) return;
    const set = { ...row, entityType: { S: WORKER_ROW_TYPE } };
    if (await this.#store.update(this.#workerId, { when: {}, set }, signal)) return;
    await this.#store.put({ leaseKey: { S: this.#workerId }, ...set }, signal);
  }
}
