import type { TableSet } from "../../columnar/table_set.ts";
import { originOf, type RecordBatch } from "../../records/record_batch.ts";
import { splitParent } from "../../records/position.ts";
import { ByteStrings } from "../byte_strings.ts";
import { JsonTable } from "./table.ts";
import { collectionOfSource, nameProblem } from "../../records/names.ts";
import type { DecodeConfig } from "../options.ts";

/** Bytes of spellings that are remembered over a page's end; with more, remembering starts again. */
const MAX_SPELLING_BYTES = 16 * 2 ** 20;
/** Estimate of what is remembered of a pair of names. */
const PAIR_BYTES = 64;

/** What a pair of names means: a table, nothing (its collection isn't wanted), or a mistake. */
export type Destination = JsonTable | null | { readonly problem: string };

/** Bytes of a name in a record, without the quotes. */
export interface NameSpan {
  start: number;
  end: number;
}

/** Finds the table of a record: by the bytes of its names, without making strings of them once they are known. */
export class JsonTables {
  readonly #config: DecodeConfig;
  readonly #tables: TableSet;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #byBuilder = new Map<unknown, JsonTable>();
  /** Of names and fields, as they stand in records. */
  readonly #spellings: ByteStrings;
  /** By the spellings of project and collection. */
  readonly #byNames = new Map<number, Map<number, Destination>>();
  #pairCount = 0;
  #plainOrigin = "";
  #plain: Destination | undefined;

  constructor(config: DecodeConfig, tables: TableSet) {
    this.#config = config;
    this.#tables = tables;
    this.#spellings = new ByteStrings(tables.account);
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
    const projectId = this.#spellings.intern(view, project.start, project.end);
    const collectionId = this.#spellings.intern(view, collection.start, collection.end);
    let byCollection = this.#byNames.get(projectId);
    if (byCollection === undefined) this.#byNames.set(projectId, byCollection = new Map());
    let destination = byCollection.get(collectionId);
    if (destination === undefined) {
      destination = this.#named(unescape(bytes, project), unescape(bytes, collection));
      byCollection.set(collectionId, destination);
      this.#pairCount++;
      this.#tables.account.byteLength += PAIR_BYTES;
    }
    return destination;
  }

  /** The builders were reset: drops what is known of forgotten tables and columns. Returns whether tables were forgotten. */
  reset(): boolean {
    const startsAgain = this.#spellings.byteLength > MAX_SPELLING_BYTES;
    let isAnyForgotten = startsAgain;
    for (const [builder, table] of this.#byBuilder) {
      table.refresh();
      if (!startsAgain && !table.builder.isReleased) continue;
      this.#byBuilder.delete(builder);
      table.release();
      isAnyForgotten = true;
    }
    if (isAnyForgotten) {
      this.#tables.account.byteLength -= PAIR_BYTES * this.#pairCount;
      this.#pairCount = 0;
      this.#byNames.clear();
      this.#plain = undefined;
    }
    if (isAnyForgotten && this.#byBuilder.size === 0) this.#spellings.clear();
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
      table = new JsonTable(builder, this.#spellings, this.#tables.account);
      this.#byBuilder.set(builder, table);
    }
    return table;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function unescape(bytes: Uint8Array, { start, end }: NameSpan): string {
  return JSON.parse(`"${decoder.decode(bytes.subarray(start, end))}"`);
}
