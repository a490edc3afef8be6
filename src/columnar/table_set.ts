import { ByteAccount } from "./byte_account.ts";
import type { Page } from "./page.ts";
import { TableBuilder, type TableSettings } from "./table_builder.ts";
import type { TableName } from "./types.ts";

/** Pages without a row of its own after which a table is forgotten. */
const MAX_IDLE_RESETS = 3;

/** The tables of one buffer, by name. */
export class TableSet {
  readonly account: ByteAccount = new ByteAccount();
  readonly #tables = new Map<string, TableBuilder>();
  readonly #settings: TableSettings;

  constructor(settings: TableSettings) {
    this.#settings = settings;
  }

  /** Known tables, with rows or without. */
  get size(): number {
    return this.#tables.size;
  }

  /** The table of a name, made when it is new. */
  get(name: TableName): TableBuilder {
    const key = `${name.project}\n${name.collection}`;
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new TableBuilder(name, this.account, this.#settings);
      this.#tables.set(key, table);
    }
    return table;
  }

  /** Every table with rows as a page over its builders' arrays, sorted by name. Valid until `reset`. */
  pages(): Page[] {
    return [...this.#tables.keys()].sort().map((key) => this.#tables.get(key)!).filter((table) => table.rowCount > 0)
      .map((table) => table.page());
  }

  /**
   * Forgets all rows, and the tables that had none for a while; all of them when what they keep for the next rows is more
   * than `keepByteLength`, which the storage that they leave behind may be at most.
   */
  reset(keepByteLength: number): void {
    for (const table of this.#tables.values()) table.reset();
    const keepsAny = this.account.byteLength <= keepByteLength;
    for (const [key, table] of this.#tables) {
      if (keepsAny && table.idlePages < MAX_IDLE_RESETS) continue;
      this.#tables.delete(key);
      table.release();
    }
    this.account.trim(keepByteLength);
  }
}
