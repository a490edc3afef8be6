import { FatalError, RetriableError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { CheckResult } from "../source.ts";
import { isSentinel } from "./checkpoint.ts";
import { eachLimited } from "./concurrency.ts";
import { type IteratorPlace, type KinesisApi, type Shard, ShardGoneError, type StreamInfo } from "./kinesis_api.ts";
import type { KinesisPorts } from "./kinesis_ports.ts";
import { isEnded, type Lease, parseLease } from "./lease.ts";
import type { Item, LeaseStore } from "./lease_store.ts";
import type { KinesisSettings } from "./settings.ts";

type OpenPorts = (settings: KinesisSettings, runtime: Runtime, signal: AbortSignal) => Promise<KinesisPorts>;

/** Shards whose lag is asked for: each costs two calls of the shard's five a second. */
const MAX_LAGS = 100;
const CONCURRENCY = 8;
/** A lease that can't be there. */
const NO_KEY = "collector-check";
/** Between two looks at the table, to see which leases are renewed. */
const LOOK_AGAIN_MS = 2_000;

/** Says which stream, table and rights are missing, how many shards and leases there are, whose, and how far behind. */
export async function checkKinesis(
  settings: KinesisSettings,
  runtime: Runtime,
  { openPorts, signal }: { openPorts: OpenPorts; signal: AbortSignal },
): Promise<CheckResult[]> {
  let ports: KinesisPorts;
  try {
    ports = await openPorts(settings, runtime, signal);
  } catch (error) {
    return [{ ok: false, what: "credentials and region are known", detail: said(error) }];
  }
  try {
    return await new Checks(settings, runtime, ports, signal).run();
  } finally {
    ports.api.close();
    ports.store.close();
  }
}

class Checks {
  readonly #settings: KinesisSettings;
  readonly #runtime: Runtime;
  readonly #api: KinesisApi;
  readonly #store: LeaseStore;
  readonly #signal: AbortSignal;
  readonly #results: CheckResult[] = [];

  constructor(settings: KinesisSettings, runtime: Runtime, { api, store }: KinesisPorts, signal: AbortSignal) {
    this.#settings = settings;
    this.#runtime = runtime;
    this.#api = api;
    this.#store = store;
    this.#signal = signal;
  }

  async run(): Promise<CheckResult[]> {
    const [shards, items] = await Promise.all([this.#stream(), this.#table()]);
    if (shards !== undefined && items !== undefined) await this.#leases(shards, items);
    return this.#results;
  }

  async #stream(): Promise<Shard[] | undefined> {
    const signal = this.#signal;
    const name = this.#settings.streamName;
    const info = await this.#try(`stream ${name} is there`, () => this.#api.describeStream(signal), describe);
    const shards = await this.#try(
      `shards of ${name} can be listed`,
      () => this.#api.listShards(signal),
      (shards) =>
        `${shards.filter(({ open }) => open).length} open, ${shards.filter(({ open }) => !open).length} closed`,
    );
    if (info === undefined || shards === undefined) return shards;
    const shard = shards.find(({ open }) => open);
    if (shard === undefined) return shards;
    const read = async () => {
      const iterator = await this.#api.getIterator(shard.id, { type: "LATEST" }, signal);
      await this.#api.getRecords(iterator, 1, signal);
    };
    await this.#try(`records of ${name} can be read`, read, () => "yes");
    return shards;
  }

  async #table(): Promise<Item[] | undefined> {
    const { leaseTable } = this.#settings;
    const signal = this.#signal;
    const state = await this.#try(
      `lease table ${leaseTable}`,
      () => this.#store.describeTable(signal),
      (state) =>
        state === "active"
          ? "is there"
          : state === "missing"
          ? "is not there yet: the first start creates it (that needs dynamodb:CreateTable)"
          : "is being created or changed: wait until it is active",
    );
    if (state !== "active") return state === "missing" ? [] : undefined;
    const items = await this.#try(
      `leases in ${leaseTable} can be read`,
      async () => {
        await this.#store.get(NO_KEY, signal);
        return await this.#store.scan(signal);
      },
      () => "yes",
    );
    // Writes whose conditions can't hold: they need the rights and do nothing.
    const impossible = { leaseCounter: { N: "-1" } };
    const write = async () => {
      await this.#store.update(NO_KEY, { when: impossible, set: impossible }, signal);
      await this.#store.delete(NO_KEY, impossible, signal);
      const existing = items?.[0]?.leaseKey;
      if (existing !== undefined) await this.#store.put({ leaseKey: existing }, signal);
    };
    await this.#try(`leases in ${leaseTable} can be written`, write, () => "yes");
    return items;
  }

  async #leases(shards: readonly Shard[], items: readonly Item[]): Promise<void> {
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
    this.#results.push({ ok: true, what: "leases", detail: detail.join(", ") });
    if (active.length === 0) return;
    await this.#owners(active);
    await this.#lag(shards, active);
  }

  /** Who owns how many, and whether they are renewed: only a second look can tell. */
  async #owners(leases: readonly Lease[]): Promise<void> {
    await this.#runtime.clock.sleep(LOOK_AGAIN_MS, this.#signal);
    const counters = new Map(leases.map(({ key, counter }) => [key, counter]));
    const now = (await this.#store.scan(this.#signal)).map(parseLease).filter((lease) => lease !== undefined);
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
    const owners = [...loads].map(([owner, { count, renewed }]) =>
      `${owner} has ${count} (${renewed} renewed within ${LOOK_AGAIN_MS / 1000} s)`
    );
    if (free > 0) owners.push(`${free} without an owner`);
    this.#results.push({ ok: true, what: "owners of leases", detail: owners.join(", ") || "nobody" });
  }

  async #lag(shards: readonly Shard[], leases: readonly Lease[]): Promise<void> {
    const listed = new Set(shards.map(({ id }) => id));
    const asked = leases.filter(({ key }) => listed.has(key)).slice(0, MAX_LAGS);
    const lags: { key: string; lagMs: number }[] = [];
    let unknown = leases.length - asked.length;
    await eachLimited(asked, CONCURRENCY, async (lease) => {
      try {
        lags.push({ key: lease.key, lagMs: await this.#lagOf(lease) });
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!(error instanceof RetriableError || error instanceof FatalError || error instanceof ShardGoneError)) {
          throw error;
        }
        unknown++;
      }
    });
    if (lags.length === 0) return;
    const worst = lags.reduce((most, lag) => lag.lagMs > most.lagMs ? lag : most);
    const more = unknown === 0 ? "" : `; ${unknown} shards could not be asked`;
    const detail = worst.lagMs === 0
      ? `nothing to catch up with${more}`
      : `${Math.ceil(worst.lagMs / 1000)} s at most, in ${worst.key}; ` +
        `${lags.filter(({ lagMs }) => lagMs > 0).length} of ${lags.length} shards are behind${more}`;
    this.#results.push({ ok: true, what: "behind the newest record", detail });
  }

  /** One record is read from the checkpoint on; the answer says how far behind that is. */
  async #lagOf({ key, checkpoint, startTimestampMs }: Lease): Promise<number> {
    const timestampMs = checkpoint.sequence === "AT_TIMESTAMP" ? this.#settings.initialTimestampMs : startTimestampMs;
    let place: IteratorPlace = { type: checkpoint.sequence === "LATEST" ? "LATEST" : "TRIM_HORIZON" };
    if (!isSentinel(checkpoint)) place = { type: "AFTER_SEQUENCE_NUMBER", sequence: checkpoint.sequence };
    else if (timestampMs !== undefined) place = { type: "AT_TIMESTAMP", timestampMs };
    const iterator = await this.#api.getIterator(key, place, this.#signal);
    return (await this.#api.getRecords(iterator, 1, this.#signal)).behindLatestMs;
  }

  async #try<T>(what: string, ask: () => Promise<T>, detail: (found: T) => string): Promise<T | undefined> {
    try {
      const found = await ask();
      this.#results.push({ ok: true, what, detail: detail(found) });
      return found;
    } catch (error) {
      this.#signal.throwIfAborted();
      this.#results.push({ ok: false, what, detail: said(error) });
      return undefined;
    }
  }
}

function describe({ status, openShardCount, retentionHours }: StreamInfo): string {
  return `${status}, ${openShardCount} open shards, records are kept for ${retentionHours} hours`;
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
