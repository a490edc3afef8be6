import type { TableSet } from "../../columnar/table_set.ts";
import { originOf, type RecordBatch } from "../../records/record_batch.ts";
import { splitParent } from "../../records/position.ts";
import { hashBytes } from "./fields.ts";
import { JsonTable } from "./table.ts";
import { collectionOfSource, nameProblem } from "../../records/names.ts";
import type { DecodeConfig } from "../options.ts";

/** Spellings of table names that are remembered; with more, remembering starts again. */
const MAX_ALIASES = 4096;

/** What a pair of names means: a table, nothing (its collection isn't wanted), or a mistake. */
export type Destination = JsonTable | null | { readonly problem: string };

/** Bytes of a name in a record, without the quotes. */
export interface NameSpan {
  start: number;
  end: number;
}

/** A project and a collection as they were spelled in a record, escapes and letter case included. */
interface Alias {
  readonly project: Uint8Array;
  readonly collection: Uint8Array;
  readonly destination: Destination;
  /** Another one with the same hash. */
  readonly next: Alias | undefined;
}

/** Finds the table of a record: by the bytes of its names, without making strings of them once they are known. */
export class JsonTables {
  readonly #config: DecodeConfig;
  readonly #tables: TableSet;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #byBuilder = new Map<unknown, JsonTable>();
  readonly #aliases = new Map<number, Alias>();
  #aliasCount = 0;
  #plainOrigin = "";
  #plain: Destination | undefined;

  constructor(config: DecodeConfig, tables: TableSet) {
    this.#config = config;
    this.#tables = tables;
    this.#allowed = config.allowedCollections === undefined ? null : new Set(config.allowedCollections);
  }

  /** Where PLAIN records of a batch go. */
  plain(batch: RecordBatch): Destination {
    const origin = originOf(batch);
    if (this.#plain === undefined || this.#plainOrigin !== origin) {
      this.#plainOrigin = origin;
      const collection = this.#config.collection ?? collectionOfSource(splitParent(origin));
      this.#plain = this.#named(this.#config.project, collection);
    }
    return this.#plain;
  }

  /** Where a record goes whose names stand in `bytes`, as they are between the quotes of two checked JSON strings. */
  named(bytes: Uint8Array, view: DataView, project: NameSpan, collection: NameSpan): Destination {
    const hash = Math.imul(hashBytes(bytes, view, project.start, project.end), 31) ^
      hashBytes(bytes, view, collection.start, collection.end);
    const first = this.#aliases.get(hash);
    for (let alias = first; alias !== undefined; alias = alias.next) {
      if (isEqual(alias.project, bytes, project) && isEqual(alias.collection, bytes, collection)) {
        return alias.destination;
      }
    }
    const destination = this.#named(unescape(bytes, project), unescape(bytes, collection));
    if (++this.#aliasCount > MAX_ALIASES) {
      this.#aliases.clear();
      this.#aliasCount = 1;
    }
    this.#aliases.set(hash, {
      project: bytes.slice(project.start, project.end),
      collection: bytes.slice(collection.start, collection.end),
      destination,
      next: this.#aliasCount === 1 ? undefined : first,
    });
    return destination;
  }

  /** The builders were reset: drops what is known of forgotten tables and columns. Returns whether tables were forgotten. */
  reset(): boolean {
    let isAnyForgotten = false;
    for (const [builder, table] of this.#byBuilder) {
      table.refresh();
      if (!table.builder.isReleased) continue;
      this.#byBuilder.delete(builder);
      this.#aliases.clear();
      this.#aliasCount = 0;
      this.#plain = undefined;
      isAnyForgotten = true;
    }
    return isAnyForgotten;
  }

  #named(project: string, collection: string): Destination {
    const lower = project.toLowerCase();
    const inProject = nameProblem(lower), inCollection = nameProblem(collection);
    if (inProject !== null) return { problem: `the project's name ${inProject}` };
    if (inCollection !== null) return { problem: `the collection's name ${inCollection}` };
    if (this.#allowed !== null && !this.#allowed.has(collection)) return null;
    const builder = this.#tables.get({ project: lower, collection });
    let table = this.#byBuilder.get(builder);
    if (table === undefined) {
      table = new JsonTable(builder, this.#tables);
      this.#byBuilder.set(builder, table);
    }
    return table;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function unescape(bytes: Uint8Array, { start, end }: NameSpan): string {
  return JSON.parse(`"${decoder.decode(bytes.subarray(start, end))}"`);
}

function isEqual(name: Uint8Array, bytes: Uint8Array, { start, end }: NameSpan): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
