import { failing, working } from "../../../runtime/outage.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { Assignment } from "./assignment.ts";
import { COLLECTOR_MARK, keepsRowsInLeaseTable, WORKER_ROW_TYPE } from "./fleet.ts";
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

  /** Keeps the row fresh while a leader assigns, until the signal aborts. Never rejects. */
  async publish(assignment: () => Assignment, signal: AbortSignal): Promise<void> {
    const { clock } = this.#runtime;
    do {
      if (assignment() === "take") continue;
      try {
        await this.put(signal);
        working(this.#runtime, "kinesis publish worker");
      } catch (error) {
        if (!signal.aborted) failing(this.#runtime, "kinesis publish worker", { error });
      }
    } while (await sleepUntilAborted(clock, PERIOD_MS, signal));
  }

  /** Writes the row where the fleet's workers have theirs: see fleet.ts. */
  async put(signal: AbortSignal): Promise<void> {
    const row: Item = {
      lut: { N: String(Math.floor(this.#runtime.clock.now() / 1000)) },
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
