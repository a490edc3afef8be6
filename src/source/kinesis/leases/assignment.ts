import type { Runtime } from "../../../runtime/runtime.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import { type Fleet, isLed, lookAtFleet } from "./fleet.ts";
import type { LeaseStore } from "./lease_store.ts";

/** How shards come to a worker: it takes its part, or a leader assigns them. */
export type Assignment = "take" | "leader";

const LOOK_PERIOD_MS = 60_000;

/** Which of the two is right beside the workers that share the table; follows them unless the config says which. */
export class AssignmentWatch {
  readonly #store: LeaseStore;
  readonly #runtime: Runtime;
  readonly #configured: Assignment | "auto";
  #current: Assignment;
  /** What was said last: it isn't said again. */
  #said = "";

  constructor(store: LeaseStore, runtime: Runtime, configured: Assignment | "auto") {
    this.#store = store;
    this.#runtime = runtime;
    this.#configured = configured;
    this.#current = configured === "auto" ? "take" : configured;
  }

  get current(): Assignment {
    return this.#current;
  }

  /** One look at what the fleet says of itself. */
  async look(signal: AbortSignal): Promise<void> {
    const fleet = await lookAtFleet(this.#store, this.#runtime, signal);
    const led = isLed(fleet);
    if (this.#configured === "auto") this.#current = led ? "leader" : "take";
    this.#say(fleet, led);
  }

  /** Looks every minute, until the signal aborts. Never rejects. */
  async loop(signal: AbortSignal): Promise<void> {
    while (await sleepUntilAborted(this.#runtime.clock, LOOK_PERIOD_MS, signal)) {
      try {
        await this.look(signal);
      } catch (error) {
        if (!signal.aborted) this.#runtime.log.debug("could not look at the fleet", { reason: String(error) });
      }
    }
  }

  #say({ leads, workerCount }: Fleet, led: boolean): void {
    const { log } = this.#runtime;
    const what = `${leads} ${led}`;
    if (what === this.#said) return;
    this.#said = what;
    if (this.#configured === "take" && led) {
      log.warn(
        "the leader of a KCL 3 fleet assigns this table's shards, and takes back what is taken: " +
          "set kinesis.lease-assignment=leader, or leave it out",
        { workers: workerCount },
      );
    } else if (this.#configured === "leader" && !led) {
      log.warn(
        "no KCL 3 worker that could lead is alive: nobody assigns shards to this collector; " +
          "start one, or leave kinesis.lease-assignment out",
      );
    } else if (this.#configured === "auto" && leads) {
      log.info(
        led
          ? "a KCL 3 fleet shares the shards out: waiting for what its leader assigns"
          : "no worker of the KCL 3 fleet is alive that managed this table: taking shards",
        { workers: workerCount },
      );
    }
  }
}
