/** The port to the lease table: DynamoDB in life, memory in the simulation. Knows items and conditions, no protocol. */

/** An attribute as DynamoDB has it; exactly one field is set. */
export interface Attribute {
  readonly S?: string;
  readonly N?: string;
  readonly B?: Uint8Array;
  readonly SS?: readonly string[];
  readonly [other: string]: unknown;
}

export type Item = Readonly<Record<string, Attribute>>;

/** What each of these attributes must be for a write to happen; null: absent. All must hold. */
export type Conditions = Readonly<Record<string, Attribute | null>>;

export interface ItemChange {
  readonly when: Conditions;
  readonly set?: Item;
  /** Added to numbers; absent counts as 0. */
  readonly add?: Readonly<Record<string, number>>;
  readonly remove?: readonly string[];
}

export type TableState = "missing" | "not ready" | "active";

/**
 * Errors of all: RetriableError when a later try may succeed (the write may have happened all the same), FatalError
 * when it can't. A condition that doesn't hold is no error.
 */
export interface LeaseStore {
  describeTable(signal: AbortSignal): Promise<TableState>;
  /** Asks for the table; it is there when `describeTable` says active. Twice is safe. */
  createTable(signal: AbortSignal): Promise<void>;
  /** All items, read consistently. */
  scan(signal: AbortSignal): Promise<Item[]>;
  /** Read consistently. */
  get(key: string, signal: AbortSignal): Promise<Item | undefined>;
  /** Only when there is no item with this leaseKey; false otherwise. */
  put(item: Item, signal: AbortSignal): Promise<boolean>;
  /** Leaves all other attributes as they are. False when the conditions don't hold (or there is no such item). */
  update(key: string, change: ItemChange, signal: AbortSignal): Promise<boolean>;
  delete(key: string, when: Conditions, signal: AbortSignal): Promise<boolean>;
  /** Writes a row among those of the fleet's workers (KCL 3), in a table of their own. False when there is no such table. */
  putWorkerRow(row: Item, signal: AbortSignal): Promise<boolean>;
  /** All rows there; none when there is no such table. */
  workerRows(signal: AbortSignal): Promise<Item[]>;
  /** A row of the fleet's coordinator (KCL 3), in a table of its own; undefined when there is no such row or table. */
  coordinatorState(key: string, signal: AbortSignal): Promise<Item | undefined>;
  close(): void;
}
