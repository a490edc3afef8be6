import type { Runtime } from "../../../runtime/runtime.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import { type Fleet, isLed, isLocked, lookAtFleet } from "./fleet.ts";
import type { LeaseStore } from "./lease_store.ts";
import { LeaseObserver } from "./taking.ts";

/** How shards come to a worker: it takes its part, or a leader assigns them. */
export type Assignment = "take" | "leader";

const LOOK_PERIOD_MS = 60_000;
/** How often a leader's lock is looked for. */
const LOCK_PERIOD_MS = 5_000;
/** Without a lock, and without a lease that is renewed, for so long or for half the failover time: the fleet has stopped. */
const MIN_STILL_MS = 15_000;

/** Which of the two is right beside the workers that share the table; follows them unless the config says which. */
export class AssignmentWatch {
  readonly #store: LeaseStore;
  readonly #runtime: Runtime;
  readonly #configured: Assignment | "auto";
  readonly #stillMs: number;
  /** Of the leases that KCL workers own. */
  readonly #observer: LeaseObserver;
  /** When the leader's lock was last seen, or might have been there; monotonic ms. */
  #lockedMs: number;
  #current: Assignment;
  /** What was said last: it isn't said again. */
  #said = "";

  constructor(
    store: LeaseStore,
    runtime: Runtime,
    { configured, failoverTimeMs }: { configured: Assignment | "auto"; failoverTimeMs: number },
  ) {
    this.#store = store;
    this.#runtime = runtime;
    this.#configured = configured;
    this.#stillMs = Math.max(MIN_STILL_MS, failoverTimeMs / 2);
    this.#observer = new LeaseObserver(failoverTimeMs);
    this.#lockedMs = runtime.clock.monotonicMs();
    this.#current = configured === "auto" ? "take" : configured;
  }

  get current(): Assignment {
    return this.#current;
  }

  /** One look at what the fleet says of itself. */
  async look(signal: AbortSignal): Promise<void> {
    const fleet = await lookAtFleet(this.#store, this.#runtime, signal);
    const led = isLed(fleet) && !this.#hasStopped(fleet);
    if (this.#configured === "auto") this.#current = led ? "leader" : "take";
    this.#say(fleet, led);
  }

  /** Looks every minute, and when there is no leader's lock any more; until the signal aborts. Never rejects. */
  async loop(signal: AbortSignal, onChange: () => void = () => {}): Promise<void> {
    const { clock, log } = this.#runtime;
    let lookedMs = clock.monotonicMs();
    while (await sleepUntilAborted(clock, LOCK_PERIOD_MS, signal)) {
      const nowMs = clock.monotonicMs(), before = this.#current;
      try {
        if (nowMs - lookedMs < LOOK_PERIOD_MS && await this.#hasLeader(signal)) continue;
        lookedMs = nowMs;
        await this.look(signal);
        if (this.#current !== before) onChange();
      } catch (error) {
        if (!signal.aborted) log.debug("could not look at the fleet", { reason: String(error) });
      }
    }
  }

  /** Whether a leader's lock is there, which costs little to see; true also where nobody leads. */
  async #hasLeader(signal: AbortSignal): Promise<boolean> {
    if (this.#configured !== "auto" || this.#current === "take") return true;
    const locked = await isLocked(this.#store, signal);
    if (locked) this.#lockedMs = this.#runtime.clock.monotonicMs();
    return locked;
  }

  /** Whether all its workers have stopped, though their rows are fresh: an orderly stop removes the leader's lock at once. */
  #hasStopped({ locked, leases }: Fleet): boolean {
    const nowMs = this.#runtime.clock.monotonicMs();
    this.#observer.observe(leases, nowMs);
    if (locked) this.#lockedMs = nowMs;
    return nowMs - this.#lockedMs >= this.#stillMs &&
      leases.every((lease) => this.#observer.ageMs(lease) >= this.#stillMs);
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
