import { FatalError, messageOf, RetriableError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { isSentinel } from "./leases/checkpoint.ts";
import { eachLimited } from "./concurrency.ts";
import type { Findings } from "./findings.ts";
import { type Fleet, isLed, lookAtFleet } from "./leases/fleet.ts";
import { ForeignSequenceError, type IteratorPlace, type Shard, ShardGoneError } from "./aws/kinesis_api.ts";
import type { KinesisPorts } from "./aws/kinesis_ports.ts";
import { isEnded, type Lease, parseLease } from "./leases/lease.ts";
import type { Item } from "./leases/lease_store.ts";
import { madeAnewWayOut, unreadShards, unreadWayOut } from "./leases/stale_leases.ts";
import { kinesisOptions } from "./options.ts";
import type { KinesisSettings } from "./settings.ts";

/** Shards whose lag is asked for: each costs two calls of the shard's five a second. */
const MAX_LAGS = 100;
const CONCURRENCY = 8;
/** Between two looks at the table, to see which leases are renewed. */
const LOOK_AGAIN_MS = 2_000;

const ASSIGNMENT_KEY = kinesisOptions.assignment.key;

/** Says how many leases there are, whose, and how far behind. */
export class LeaseCheck {
  readonly #settings: KinesisSettings;
  readonly #runtime: Runtime;
  readonly #ports: KinesisPorts;
  readonly #findings: Findings;

  constructor(settings: KinesisSettings, runtime: Runtime, ports: KinesisPorts, findings: Findings) {
    this.#settings = settings;
    this.#runtime = runtime;
    this.#ports = ports;
    this.#findings = findings;
  }

  async look(shards: readonly Shard[], items: readonly Item[]): Promise<void> {
    const leases = items.map(parseLease).filter((lease) => lease !== undefined);
    const active = leases.filter((lease) => !isEnded(lease));
    const keys = new Set(leases.map(({ key }) => key));
    const without = shards.filter(({ id, open }) => open && !keys.has(id)).length;
    const others = items.length - leases.length;
    const detail = [
      `${active.length} of shards under way`,
      `${leases.length - active.length} of ended shards`,
      ...(without > 0 ? [`${without} open shards have none yet`] : []),
      ...(others > 0 ? [`${others} rows are no leases`] : []),
    ];
    this.#findings.add("leases", detail.join(", "));
    const unread = unreadShards(shards, leases);
    if (unread.length > 0) {
      const detail = unreadWayOut(unread, this.#settings.leaseTable);
      this.#findings.fail(`leases of ${unread.length} open shards have ended: nobody reads them`, detail);
    }
    if (items.length > 0) await this.#assignment();
    if (active.length === 0) return;
    await this.#owners(active);
    await this.#lag(shards, active);
  }

  async #assignment(): Promise<void> {
    const { assignment } = this.#settings;
    const look = () => lookAtFleet(this.#ports.store, this.#runtime, this.#findings.signal);
    const fleet = await this.#findings.try("who assigns shards", look, (fleet) => describeFleet(fleet, assignment));
    if (fleet === undefined) return;
    const led = isLed(fleet);
    if (assignment === "leader" && !led) {
      this.#findings.fail(ASSIGNMENT_KEY, "is leader, but nobody could lead: leave it out");
    }
    if (assignment === "take" && led) {
      this.#findings.fail(ASSIGNMENT_KEY, "is take, but a leader takes that back: leave it out");
    }
  }

  /** Who owns how many, and whether they are renewed: only a second look can tell. */
  async #owners(leases: readonly Lease[]): Promise<void> {
    const { signal } = this.#findings;
    await this.#runtime.clock.sleep(LOOK_AGAIN_MS, signal);
    await this.#findings.try(
      "owners of leases",
      () => this.#ports.store.scan(signal),
      (items) => owners(leases, items),
    );
  }

  async #lag(shards: readonly Shard[], leases: readonly Lease[]): Promise<void> {
    const listed = new Set(shards.map(({ id }) => id));
    const asked = leases.filter(({ key }) => listed.has(key)).slice(0, MAX_LAGS);
    const lags: { key: string; lagMs: number }[] = [];
    let unknown = leases.length - asked.length;
    let foreign: ForeignSequenceError | undefined;
    await eachLimited(asked, CONCURRENCY, async (lease) => {
      try {
        lags.push({ key: lease.key, lagMs: await this.#lagOf(lease) });
      } catch (error) {
        this.#findings.signal.throwIfAborted();
        if (error instanceof ForeignSequenceError) foreign = error;
        else if (!(error instanceof RetriableError || error instanceof FatalError || error instanceof ShardGoneError)) {
          throw error;
        }
        unknown++;
      }
    });
    if (foreign !== undefined) {
      this.#findings.fail(
        "leases are this stream's",
        `${messageOf(foreign)}: ${madeAnewWayOut(this.#settings.leaseTable)}`,
      );
    }
    if (lags.length === 0) return;
    const worst = lags.reduce((most, lag) => lag.lagMs > most.lagMs ? lag : most);
    const more = unknown === 0 ? "" : `; ${unknown} shards could not be asked`;
    const detail = worst.lagMs === 0
      ? `nothing to catch up with${more}`
      : `${Math.ceil(worst.lagMs / 1000)} s at most, in ${worst.key}; ` +
        `${lags.filter(({ lagMs }) => lagMs > 0).length} of ${lags.length} shards are behind${more}`;
    this.#findings.add("behind the newest record", detail);
  }

  /** One record is read from the checkpoint on; the answer says how far behind that is. */
  async #lagOf({ key, checkpoint, startTimestampMs }: Lease): Promise<number> {
    const timestampMs = checkpoint.sequence === "AT_TIMESTAMP" ? this.#settings.initialTimestampMs : startTimestampMs;
    let place: IteratorPlace = { type: checkpoint.sequence === "LATEST" ? "LATEST" : "TRIM_HORIZON" };
    if (!isSentinel(checkpoint)) place = { type: "AFTER_SEQUENCE_NUMBER", sequence: checkpoint.sequence };
    else if (timestampMs !== undefined) place = { type: "AT_TIMESTAMP", timestampMs };
    const iterator = await this.#ports.api.getIterator(key, place, this.#findings.signal);
    return (await this.#ports.api.getRecords(iterator, 1, this.#findings.signal)).behindLatestMs;
  }
}

function describeFleet(fleet: Fleet, assignment: KinesisSettings["assignment"]): string {
  if (isLed(fleet)) return `the leader of a KCL 3 fleet (workers alive: ${fleet.workerCount})`;
  const past = fleet.leads ? "; none of the KCL 3 workers is alive that did so before" : "";
  return assignment === "leader" ? `nobody${past}` : `each worker takes its part${past}`;
}

function owners(before: readonly Lease[], items: readonly Item[]): string {
  const counters = new Map(before.map(({ key, counter }) => [key, counter]));
  const now = items.map(parseLease).filter((lease) => lease !== undefined);
  const loads = new Map<string, { count: number; renewed: number }>();
  let free = 0;
  for (const lease of now.filter((lease) => !isEnded(lease))) {
    if (lease.owner === undefined) {
      free++;
      continue;
    }
    const load = loads.get(lease.owner) ?? { count: 0, renewed: 0 };
    load.count++;
    if (counters.get(lease.key) !== lease.counter) load.renewed++;
    loads.set(lease.owner, load);
  }
  const said = [...loads].map(([owner, { count, renewed }]) =>
    `${owner} has ${count} (${renewed} renewed within ${LOOK_AGAIN_MS / 1000} s)`
  );
  if (free > 0) said.push(`${free} without an owner`);
  return said.join(", ") || "nobody";
}
