import { RetriableError } from "../../src/runtime/errors.ts";
import { connectToAws } from "../../src/source/kinesis/aws/connect.ts";
import { DynamoLeaseStore } from "../../src/source/kinesis/leases/dynamo_store.ts";
import type { Item, ItemChange, LeaseStore } from "../../src/source/kinesis/leases/lease_store.ts";
import { LeaseTable } from "../../src/source/kinesis/leases/lease_table.ts";
import { waitForTable } from "../../src/source/kinesis/leases/wait_for_table.ts";
import { sharedServers } from "./kinesis_harness.ts";
import { testRuntime } from "./stored_object.ts";

const NEVER = new AbortController().signal;
let tables = 0;

/** The store, which can be told to lose an answer. */
class LossyStore extends DynamoLeaseStore implements LeaseStore {
  readonly signal = NEVER;
  #lose = false;

  loseNext(): void {
    this.#lose = true;
  }

  override async update(key: string, change: ItemChange, signal: AbortSignal): Promise<boolean> {
    const written = await super.update(key, change, signal);
    if (!this.#lose) return written;
    this.#lose = false;
    throw new RetriableError("injected loss of the answer");
  }
}

/** A lease table in which nobody else does anything. */
export const SilentWorld = {
  /** A new table with these items; `table` is "me", `other` another worker. */
  async with(items: readonly Readonly<Record<string, unknown>>[]) {
    const servers = await sharedServers();
    const name = `items-${++tables}`;
    const runtime = testRuntime();
    const settings = servers.settings(name, { leaseTable: name });
    const store = new LossyStore(await connectToAws(settings, runtime, NEVER));
    await waitForTable(store, { runtime, table: name, signal: NEVER });
    const put = (item: Readonly<Record<string, unknown>>) =>
      servers.putItem(name, item as Parameters<typeof servers.putItem>[1]);
    for (const item of items) await put(item);
    const read = (key: string) => servers.item(name, key) as Promise<Item | undefined>;
    const table = new LeaseTable(store, "me", runtime), other = new LeaseTable(store, "somebody else", runtime);
    return { table, other, store, read, put };
  },
};
