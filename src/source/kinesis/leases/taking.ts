/** Which leases to take or steal: the balancing of KCL 1, 2 and 3 in its 2.x-compatible mode. */
import type { Random } from "../../../runtime/random.ts";
import { isEnded, type Lease } from "./lease.ts";

/** Times changes of the counters on our own monotonic clock: no clock stands in the table. */
export class LeaseObserver {
  readonly #failoverTimeMs: number;
  readonly #seen = new Map<string, { counter: bigint; owner: string | undefined; sinceMs: number }>();
  #nowMs = 0;

  constructor(failoverTimeMs: number) {
    this.#failoverTimeMs = failoverTimeMs;
  }

  /** Takes note of all leases, read before `nowMs` (monotonic). */
  observe(leases: readonly Lease[], nowMs: number): void {
    this.#nowMs = nowMs;
    const keys = new Set(leases.map(({ key }) => key));
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key);
    for (const { key, counter, owner } of leases) {
      const seen = this.#seen.get(key);
      if (seen?.counter !== counter || seen.owner !== owner) this.#seen.set(key, { counter, owner, sinceMs: nowMs });
    }
  }

  /** How long its counter has stood still, ms. */
  ageMs({ key }: Lease): number {
    return this.#nowMs - (this.#seen.get(key)?.sinceMs ?? this.#nowMs);
  }

  /** Whether anybody may take it: nobody owns it, or its owner has not renewed it for too long. */
  isAvailable(lease: Lease): boolean {
    return (lease.owner === undefined && lease.checkpointOwner === undefined) ||
      this.ageMs(lease) > this.#failoverTimeMs;
  }

  /** Whether it comes before all balancing. */
  isVeryOld(lease: Lease): boolean {
    return this.ageMs(lease) > 3 * this.#failoverTimeMs;
  }
}

export interface TakingInput {
  readonly leases: readonly Lease[];
  readonly observer: LeaseObserver;
  readonly workerId: string;
  /** Keys of the leases that we hold. */
  readonly held: ReadonlySet<string>;
  readonly maxLeases: number;
  readonly random: Random;
}

export interface Choice {
  readonly take: readonly Lease[];
  readonly workerCount: number;
  /** Leases that need a worker. */
  readonly leaseCount: number;
  readonly expiredCount: number;
  readonly target: number;
}

/** Leases of shards that have ended need no worker and are not counted. */
export function chooseLeases(input: TakingInput): Choice {
  const { observer, workerId, held, random } = input;
  const leases = input.leases.filter((lease) => !isEnded(lease));
  const others = leases.filter(({ key }) => !held.has(key));
  const available = others.filter((lease) => observer.isAvailable(lease));
  const loads = new Map<string, Lease[]>([[workerId, []]]);
  for (const lease of others) {
    if (lease.owner === undefined || observer.isAvailable(lease)) continue;
    const load = loads.get(lease.owner);
    if (load === undefined) loads.set(lease.owner, [lease]);
    else load.push(lease);
  }
  const workerCount = loads.size;
  const target = Math.min(input.maxLeases, workerCount > leases.length ? 1 : Math.ceil(leases.length / workerCount));
  const choice = { workerCount, leaseCount: leases.length, expiredCount: available.length, target };
  const mine = held.size;
  const veryOld = available.filter((lease) => observer.isVeryOld(lease));
  if (veryOld.length > 0) {
    return { ...choice, take: shuffle(veryOld, random).slice(0, Math.max(0, input.maxLeases - mine)) };
  }
  if (available.length > 0) {
    return { ...choice, take: shuffle(available, random).slice(0, Math.max(0, target - mine)) };
  }
  if (mine >= target) return { ...choice, take: [] };
  loads.delete(workerId);
  const loaded = [...loads.values()].reduce((most, load) => load.length > most.length ? load : most, []);
  // A worker's only lease stays where it is: with more workers than leases it would move on for ever.
  const worthIt = loaded.length >= mine + 2;
  // One that is being handed over has a new owner already.
  const stealable = loaded.filter(({ checkpointOwner }) => checkpointOwner === undefined);
  return { ...choice, take: worthIt ? shuffle(stealable, random).slice(0, 1) : [] };
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled;
}
