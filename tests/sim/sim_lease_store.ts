import { RetriableError } from "../../src/runtime/errors.ts";
import type {
  Attribute,
  Conditions,
  Item,
  ItemChange,
  LeaseStore,
  TableState,
} from "../../src/source/kinesis/leases/lease_store.ts";
import { unreliable } from "./faults.ts";
import type { Network } from "./sim_kinesis.ts";
import type { SimTime } from "./sim_clock.ts";

/** The table itself: writes happen at one moment, one after the other. */
export class SimTable {
  readonly items = new Map<string, Item>();
  exists = false;
  writes = 0;
  /** Looks at each change when it has happened. */
  onChange: (before: Item | undefined, after: Item | undefined) => void = () => {};

  put(item: Item): boolean {
    const key = item.leaseKey.S!;
    if (this.items.has(key)) return false;
    this.#set(key, item);
    return true;
  }

  update(key: string, { when, set = {}, add = {}, remove = [] }: ItemChange): boolean {
    const before = this.items.get(key);
    if (before === undefined || !holds(before, when)) return false;
    const after: Record<string, Attribute> = { ...before, ...set };
    for (const [name, by] of Object.entries(add)) after[name] = { N: String(BigInt(after[name]?.N ?? 0) + BigInt(by)) };
    for (const name of remove) delete after[name];
    this.#set(key, after);
    return true;
  }

  delete(key: string, when: Conditions): boolean {
    const before = this.items.get(key);
    if (before === undefined || !holds(before, when)) return false;
    this.#set(key, undefined);
    return true;
  }

  #set(key: string, after: Item | undefined): void {
    const before = this.items.get(key);
    if (after === undefined) this.items.delete(key);
    else this.items.set(key, after);
    this.writes++;
    this.onChange(before, after);
  }
}

function holds(item: Item, when: Conditions): boolean {
  return Object.entries(when).every(([name, expected]) =>
    expected === null ? item[name] === undefined : JSON.stringify(item[name]) === JSON.stringify(expected)
  );
}

/** One process's way to the table. Some writes happen long after their caller has given up on them. */
export class SimLeaseStore implements LeaseStore {
  readonly #table: SimTable;
  readonly #network: Network;
  readonly #time: SimTime;

  constructor(table: SimTable, network: Network, time: SimTime) {
    this.#table = table;
    this.#network = network;
    this.#time = time;
  }

  describeTable(signal: AbortSignal): Promise<TableState> {
    return this.#call(signal, () => this.#table.exists ? "active" : "missing");
  }

  createTable(signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => void (this.#table.exists = true));
  }

  scan(signal: AbortSignal): Promise<Item[]> {
    return this.#call(signal, () => [...this.#table.items.values()]);
  }

  get(key: string, signal: AbortSignal): Promise<Item | undefined> {
    return this.#call(signal, () => this.#table.items.get(key));
  }

  put(item: Item, signal: AbortSignal): Promise<boolean> {
    return this.#write(signal, () => this.#table.put(item));
  }

  update(key: string, change: ItemChange, signal: AbortSignal): Promise<boolean> {
    return this.#write(signal, () => this.#table.update(key, change));
  }

  delete(key: string, when: Conditions, signal: AbortSignal): Promise<boolean> {
    return this.#write(signal, () => this.#table.delete(key, when));
  }

  putWorkerRow(): Promise<boolean> {
    return Promise.resolve(true);
  }

  workerRows(): Promise<Item[]> {
    return Promise.resolve([]);
  }

  coordinatorState(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {}

  #write<T>(signal: AbortSignal, effect: () => T): Promise<T> {
    const { random, rates } = this.#network;
    if (random.next() < rates.lostAnswer / 3) {
      this.#time.add(this.#time.nowMs + random.next() * 8000, effect);
      return this.#call(signal, () => {
        throw new RetriableError("injected timeout; it happens later");
      });
    }
    return this.#call(signal, effect);
  }

  #call<T>(signal: AbortSignal, effect: () => T): Promise<T> {
    return unreliable(effect, (why) => new RetriableError(why), { ...this.#network, signal });
  }
}
