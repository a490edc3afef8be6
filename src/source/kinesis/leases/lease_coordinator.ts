/**
 * Keeps this worker's leases: three loops over one set.
 *
 *     renew   every F/3 - 25 ms: the heartbeat of each lease; tells of losses and of handoffs that a leader began
 *     guard   more often: drops what was not renewed for F, whatever requests hang
 *     take    every 2(F + 25) ms: reads the table, adopts what is ours, takes or steals a fair part
 *
 *     unowned/expired --take--> held --lost, expired--> (listener.lost) gone
 *                               held --handoff begins--> (listener.handoff: flush, commit) --checkpointOwner removed--> gone
 *                               held --giveUp (shard end, close)--> gone
 */
import { failing, working } from "../../../runtime/outage.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Assignment } from "./assignment.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import { eachLimited } from "../concurrency.ts";
import { HeldLease } from "./held_lease.ts";
import { isEnded, type Lease } from "./lease.ts";
import type { LeaseTable } from "./lease_table.ts";
import { chooseLeases, LeaseObserver } from "./taking.ts";

/** Who is told. All are called at once, and none may throw. */
export interface LeaseListener {
  taken(held: HeldLease): void;
  /** Nothing may be committed any more. */
  lost(held: HeldLease): void;
  /** Resolves when everything that was read is committed, or the time for that is over. */
  handoff(held: HeldLease): Promise<void>;
}

export interface CoordinatorOptions {
  readonly table: LeaseTable;
  readonly runtime: Runtime;
  readonly workerId: string;
  readonly failoverTimeMs: number;
  readonly maxLeases: number;
  /** Looked at before each round: it may change. */
  assignment(): Assignment;
  readonly listener: LeaseListener;
}

/** What the last look at the table and the losses since came to. */
export interface LeaseCounts {
  total: number;
  expired: number;
  workers: number;
  held: number;
  /** Since the counts were last taken. */
  lost: number;
}

/** Writes in flight at a time. */
const CONCURRENCY = 20;
const EPSILON_MS = 25;

export class LeaseCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #observer: LeaseObserver;
  readonly #held = new Map<string, HeldLease>();
  /** The newest epoch of each shard that was ever ours: the next one must be newer even when the lease was made anew. */
  readonly #epochs = new Map<string, bigint>();
  readonly #closing = new AbortController();
  #loops: Promise<void>[] = [];
  /** Takes are not broken off: one whose answer nobody waits for would be a lease that nobody gives up. */
  readonly #takes = new Set<Promise<void>>();
  readonly #giveUpNow = new AbortController();
  #taking = true;
  readonly counts: LeaseCounts = { total: 0, expired: 0, workers: 0, held: 0, lost: 0 };

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#observer = new LeaseObserver(options.failoverTimeMs);
  }

  get(key: string): HeldLease | undefined {
    return this.#held.get(key);
  }

  held(): HeldLease[] {
    return [...this.#held.values()];
  }

  /** Looks at the table once, then keeps going in the background. */
  async start(signal: AbortSignal): Promise<void> {
    await this.takeRound(AbortSignal.any([signal, this.#closing.signal]));
    const { failoverTimeMs } = this.#options;
    const renewMs = Math.max(10, failoverTimeMs / 3 - EPSILON_MS);
    this.#loops = [
      this.#loop("renew leases", renewMs, () => this.#renewAll()),
      this.#loop("watch leases", Math.max(5, failoverTimeMs / 20), () => this.#dropExpired()),
      this.#loop("take leases", 2 * (failoverTimeMs + EPSILON_MS), () => this.takeRound(this.#closing.signal)),
    ];
  }

  /** Takes no more leases, and keeps those that it has. */
  stopTaking(): void {
    this.#taking = false;
  }

  /** The shard has ended, or its reading is over: we care no more, and leave the lease's item as it is. */
  drop(held: HeldLease): void {
    if (this.#held.get(held.key) === held) this.#held.delete(held.key);
    held.letGo();
  }

  /** Gives everything up, so that others take it at once. Twice is safe. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new DOMException("the source is closed", "AbortError"));
    const { runtime, failoverTimeMs } = this.#options;
    const ended = new AbortController();
    // What can't be given up by then expires.
    runtime.clock.sleep(failoverTimeMs / 3, ended.signal).then(() => this.#giveUpNow.abort(), () => {});
    await Promise.all(this.#loops);
    while (this.#takes.size > 0) await Promise.allSettled(this.#takes);
    const leases = this.held();
    this.#held.clear();
    const giveUp = (key: string, write: Promise<unknown>) =>
      write.catch((error) => runtime.log.warn("could not give a lease up; it expires", { lease: key }, error));
    await eachLimited(leases, CONCURRENCY, async (held) => {
      held.letGo();
      await giveUp(held.key, held.release(this.#giveUpNow.signal));
    });
    for (const lease of await this.#assignedLate()) {
      await giveUp(lease.key, this.#options.table.giveUp(lease, this.#giveUpNow.signal));
    }
    ended.abort();
  }

  /** What a leader has assigned to us since we stopped taking: nobody would look at it until it expires. */
  async #assignedLate(): Promise<Lease[]> {
    const { table, workerId, assignment } = this.#options;
    if (assignment() !== "leader") return [];
    const leases = await table.list(this.#giveUpNow.signal).catch(() => []);
    return leases.filter(({ owner, checkpointOwner }) => owner === workerId && checkpointOwner === undefined);
  }

  /** One look at the table. */
  async takeRound(signal: AbortSignal): Promise<void> {
    const { table, runtime, workerId, maxLeases, assignment } = this.#options;
    const leases = await table.list(signal);
    this.#observer.observe(leases, runtime.clock.monotonicMs());
    this.#forgetEpochs(leases);
    if (!this.#taking) return;
    const ours = leases.filter((lease) =>
      lease.owner === workerId && !this.#held.has(lease.key) && !isEnded(lease) && lease.checkpointOwner === undefined
    );
    await eachLimited(ours, CONCURRENCY, (lease) => this.#begin(lease));
    const held = new Set(this.#held.keys());
    const { observer, random } = { observer: this.#observer, random: runtime.random };
    const choice = chooseLeases({ leases, observer, workerId, held, maxLeases, random });
    this.#count(choice);
    // A handoff to us whose old owner has died: the leader takes it for ours.
    const stuck = leases.filter((lease) =>
      lease.owner === workerId && lease.checkpointOwner !== undefined && observer.isAvailable(lease) && !isEnded(lease)
    );
    const take = (assignment() === "take" ? choice.take : stuck).filter(({ key }) => !this.#held.has(key));
    await eachLimited(take, CONCURRENCY, (lease) => this.#begin(lease));
    this.counts.held = this.#held.size;
  }

  #begin(lease: Lease): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    const beginning: Promise<void> = this.#take(lease).finally(() => this.#takes.delete(beginning));
    this.#takes.add(beginning);
    return beginning;
  }

  async #take(lease: Lease): Promise<void> {
    const { table, runtime, failoverTimeMs, listener } = this.#options;
    const { clock, log } = runtime;
    const sentMs = clock.monotonicMs();
    let taken: Lease | undefined;
    try {
      taken = await table.take(lease, this.#giveUpNow.signal);
    } catch (error) {
      if (this.#giveUpNow.signal.aborted) return;
      return failing(runtime, "kinesis take lease", { error, fields: { lease: lease.key } });
    }
    // What was read of the table may be older than our own last write, by which the shard has ended.
    if (taken === undefined || isEnded(taken) || this.#held.has(taken.key)) return;
    const last = this.#epochs.get(taken.key) ?? 0n;
    const epoch = taken.counter > last ? taken.counter : last + 1n;
    this.#epochs.set(taken.key, epoch);
    const reportsThroughput = this.#options.assignment() === "leader";
    const held = new HeldLease(taken, { table, clock, failoverTimeMs, sentMs, epoch, reportsThroughput });
    this.#held.set(held.key, held);
    if (this.#closing.signal.aborted) return; // given up with the others
    log.info("lease taken", { lease: held.key, epoch, from: lease.owner ?? "nobody" });
    listener.taken(held);
  }

  async #renewAll(): Promise<void> {
    await eachLimited(this.held(), CONCURRENCY, async (held) => {
      const before = held.handingOver;
      try {
        if (!await held.renew(this.#closing.signal)) this.lose(held);
        else if (!before && held.handingOver) void this.#handOver(held);
        working(this.#options.runtime, "kinesis renew lease");
      } catch (error) {
        if (held.gone.aborted) return;
        failing(this.#options.runtime, "kinesis renew lease", { error, fields: { lease: held.key } });
      }
    });
  }

  #dropExpired(): Promise<void> {
    for (const held of this.held()) if (held.expired) this.lose(held);
    return Promise.resolve();
  }

  /** It is no longer ours, or must be taken for that; the listener is told. Twice is safe. */
  lose(held: HeldLease): void {
    if (this.#held.get(held.key) !== held) return;
    this.drop(held);
    this.counts.lost++;
    this.#options.listener.lost(held);
  }

  async #handOver(held: HeldLease): Promise<void> {
    const { listener, runtime: { log } } = this.#options;
    log.info("lease is handed over", { lease: held.key, to: held.lease.owner });
    await listener.handoff(held);
    if (held.gone.aborted) return;
    this.drop(held);
    await held.release(this.#closing.signal).catch((error) => {
      if (!this.#closing.signal.aborted) {
        log.warn("could not hand a lease over; it expires", { lease: held.key }, error);
      }
    });
  }

  #count({ leaseCount, expiredCount, workerCount }: ReturnType<typeof chooseLeases>): void {
    this.counts.total = leaseCount;
    this.counts.expired = expiredCount;
    this.counts.workers = workerCount;
  }

  #forgetEpochs(leases: readonly Lease[]): void {
    const keys = new Set(leases.map(({ key }) => key));
    for (const key of this.#epochs.keys()) if (!keys.has(key) && !this.#held.has(key)) this.#epochs.delete(key);
  }

  async #loop(what: string, periodMs: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    const { clock } = this.#options.runtime;
    let nextMs = clock.monotonicMs() + periodMs;
    while (await sleepUntilAborted(clock, nextMs - clock.monotonicMs(), signal)) {
      nextMs = Math.max(nextMs + periodMs, clock.monotonicMs());
      try {
        await work();
        working(this.#options.runtime, `kinesis ${what}`);
      } catch (error) {
        if (!signal.aborted) failing(this.#options.runtime, `kinesis ${what}`, { error });
      }
    }
  }
}
