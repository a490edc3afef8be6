import { readFailure } from "../../runtime/aws/service_error.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { CheckResult } from "../../runtime/check_result.ts";
import { LeaseCheck } from "./check_leases.ts";
import { Findings } from "./findings.ts";
import { messageOf } from "../../runtime/errors.ts";
import { type Shard, ShardGoneError, type StreamInfo } from "./aws/kinesis_api.ts";
import type { KinesisPorts } from "./aws/kinesis_ports.ts";
import type { Item } from "./leases/lease_store.ts";
import type { KinesisSettings } from "./settings.ts";

type OpenPorts = (settings: KinesisSettings, runtime: Runtime, signal: AbortSignal) => Promise<KinesisPorts>;

/** A lease, and a shard, that can't be there. */
const NOWHERE = "collector-check";

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
    return [{ ok: false, what: "credentials and region are known", detail: messageOf(error) }];
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
  readonly #ports: KinesisPorts;
  readonly #findings: Findings;

  constructor(settings: KinesisSettings, runtime: Runtime, ports: KinesisPorts, signal: AbortSignal) {
    this.#settings = settings;
    this.#runtime = runtime;
    this.#ports = ports;
    this.#findings = new Findings(signal);
  }

  async run(): Promise<CheckResult[]> {
    const { enhancedFanOut } = this.#settings;
    const [shards, items] = await Promise.all([this.#stream(), this.#table(), this.#metrics()]);
    if (enhancedFanOut && shards !== undefined) await this.#consumer();
    const leases = new LeaseCheck(this.#settings, this.#runtime, this.#ports, this.#findings);
    if (shards !== undefined && items !== undefined) await leases.look(shards, items);
    return this.#findings.results;
  }

  async #stream(): Promise<Shard[] | undefined> {
    const { api } = this.#ports, { signal } = this.#findings;
    const name = this.#settings.streamName;
    const info = await this.#findings.try(`stream ${name} is there`, () => api.describeStream(signal), describe);
    const shards = await this.#findings.try(
      `shards of ${name} can be listed`,
      () => api.listShards(signal),
      (shards) =>
        `${shards.filter(({ open }) => open).length} open, ${shards.filter(({ open }) => !open).length} closed`,
    );
    if (info === undefined || shards === undefined) return shards;
    const shard = shards.find(({ open }) => open);
    if (shard === undefined) return shards;
    const read = async () => {
      const iterator = await api.getIterator(shard.id, { type: "LATEST" }, signal);
      await api.getRecords(iterator, 1, signal);
    };
    await this.#findings.try(`records of ${name} can be read`, read, () => "yes");
    return shards;
  }

  async #table(): Promise<Item[] | undefined> {
    const { leaseTable } = this.#settings;
    const { store } = this.#ports, { signal } = this.#findings;
    const state = await this.#findings.try(
      `lease table ${leaseTable}`,
      () => store.describeTable(signal),
      (state) =>
        state === "active"
          ? "is there"
          : state === "missing"
          ? "is not there yet: the first start creates it (that needs dynamodb:CreateTable)"
          : "is being created or changed: wait until it is active",
    );
    if (state !== "active") return state === "missing" ? [] : undefined;
    const items = await this.#findings.try(
      `leases in ${leaseTable} can be read`,
      async () => {
        await store.get(NOWHERE, signal);
        return await store.scan(signal);
      },
      () => "yes",
    );
    // Writes whose conditions can't hold: they need the rights and do nothing.
    const impossible = { leaseCounter: { N: "-1" } };
    const write = async () => {
      await store.update(NOWHERE, { when: impossible, set: impossible }, signal);
      await store.delete(NOWHERE, impossible, signal);
      const existing = items?.[0]?.leaseKey;
      if (existing !== undefined) await store.put({ leaseKey: existing }, signal);
    };
    await this.#findings.try(`leases in ${leaseTable} can be written`, write, () => "yes");
    return items;
  }

  /** Registers nothing, and takes no subscription away from whoever has one. */
  async #consumer(): Promise<void> {
    const { api } = this.#ports, { signal } = this.#findings;
    const { leaseTable } = this.#settings;
    const found = await this.#findings.try(
      `consumer ${leaseTable} of the stream`,
      async () => await api.findConsumer(leaseTable, signal) ?? "missing",
      (state) =>
        state === "missing"
          ? "is not registered yet: the first start does it (that needs kinesis:RegisterStreamConsumer)"
          : `is ${state}`,
    );
    if (found !== "ACTIVE") return;
    await this.#findings.try("records can be subscribed to", () => this.#maySubscribe(), () => "yes");
  }

  /** The service looks at rights first: only then does it say that there is no such shard. */
  async #maySubscribe(): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#findings.signal]);
    try {
      await this.#ports.api.subscribe(NOWHERE, { type: "LATEST" }, signal);
    } catch (error) {
      const { code } = readFailure((error as Error).cause);
      if (!(error instanceof ShardGoneError) && !/^(Resource|InvalidArgument|Validation)/.test(code)) {
        throw error;
      }
    } finally {
      stop.abort();
    }
  }

  async #metrics(): Promise<void> {
    const { checkPublish } = this.#ports;
    if (checkPublish === undefined) return;
    const check = () => checkPublish(this.#findings.signal);
    await this.#findings.try("metrics can be published to CloudWatch", check, () => "yes");
  }
}

function describe({ status, openShardCount, retentionHours }: StreamInfo): string {
  return `${status}, ${openShardCount} open shards, records are kept for ${retentionHours} hours`;
}
