import type { TableSet } from "../../columnar/table_set.ts";
import { originOf, type RecordBatch } from "../../records/record_batch.ts";
import { splitParent, splitPart } from "../../records/position.ts";
import { collectionOfSource, nameProblem } from "../../records/names.ts";
import type { DecodeConfig } from "../options.ts";
import { AvroTable } from "./avro_table.ts";
import type { Op } from "../../avro/op.ts";
import { type NameOrigin, nameOrigin } from "./options.ts";
import { shortName } from "../../avro/schema.ts";

/** Tables that are remembered for all schemas; with more, remembering starts again. */
const MAX_TABLES = 4096;

/** What a record's names mean: a table, nothing (its collection isn't wanted), or a mistake. */
export type AvroDestination = AvroTable | null | { readonly problem: string };

/** Names as they were found; null where the record has none. */
export interface FoundNames {
  readonly project: string | null;
  readonly collection: string | null;
}

/** Finds names and tables of records. */
export class AvroTables {
  /** Where project and collection come from. AUTO is left for RAKAM only. */
  readonly project: NameOrigin;
  readonly collection: NameOrigin;
  /** Whether the names follow from the schema and the split alone. */
  readonly isStatic: boolean;
  readonly #config: DecodeConfig;
  readonly #tables: TableSet;
  readonly #rolesOf: (op: Op) => Uint8Array;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #static = new Map<Op, AvroDestination>();
  readonly #named = new Map<Op, Map<string, AvroDestination>>();
  #namedCount = 0;
  #batch: RecordBatch | null = null;
  #parent = "";

  constructor(config: DecodeConfig, tables: TableSet, rolesOf: (op: Op) => Uint8Array) {
    this.#config = config;
    this.#tables = tables;
    this.#rolesOf = rolesOf;
    this.#allowed = config.allowedCollections === undefined ? null : new Set(config.allowedCollections);
    const settled = (origin: NameOrigin): NameOrigin =>
      origin === "AUTO" && config.avroEncoding !== "RAKAM" ? "CONFIG" : origin;
    this.project = settled(nameOrigin(config.avroProject));
    this.collection = settled(nameOrigin(config.avroCollection));
    this.isStatic = [this.project, this.collection].every((origin) =>
      typeof origin === "string" && origin !== "AUTO" && origin !== "KEY"
    );
  }

  begin(batch: RecordBatch): void {
    const parent = splitParent(originOf(batch));
    if (parent !== this.#parent) this.#static.clear();
    this.#parent = parent;
    this.#batch = batch;
  }

  /** The builders were reset: some may have been forgotten. */
  reset(): void {
    this.#static.clear();
    this.#named.clear();
    this.#namedCount = 0;
  }

  /** Where records of a schema go, when that is the same for all of them. */
  ofSchema(op: Op): AvroDestination {
    let destination = this.#static.get(op);
    if (destination === undefined) {
      destination = this.#find(op, {
        project: this.nameFrom(this.project, op, 0),
        collection: this.nameFrom(this.collection, op, 1),
      });
      this.#static.set(op, destination);
    }
    return destination;
  }

  /** Where a record with these names goes. */
  named(op: Op, names: FoundNames): AvroDestination {
    let byName = this.#named.get(op);
    if (byName === undefined) this.#named.set(op, byName = new Map());
    const key = `${names.project}\n${names.collection}`;
    let destination = byName.get(key);
    if (destination === undefined) {
      if (++this.#namedCount > MAX_TABLES) {
        this.#named.clear();
        this.#named.set(op, byName = new Map());
        this.#namedCount = 1;
      }
      byName.set(key, destination = this.#find(op, names));
    }
    return destination;
  }

  /** A name that doesn't depend on the record's contents or key. `part` is 0 for the project, 1 for the collection. */
  nameFrom(origin: NameOrigin, op: Op | null, part: 0 | 1): string | null {
    switch (origin) {
      case "CONFIG":
        return part === 0 ? this.#config.project : this.#config.collection ?? collectionOfSource(this.#parent);
      case "TOPIC":
        return this.#ofTopic(part);
      case "NAME":
        return op === null ? null : shortName(op.name);
      case "NAMESPACE":
        return op === null || !op.name.includes(".") ? null : op.name.slice(0, op.name.lastIndexOf("."));
      default:
        return null;
    }
  }

  /** The name in the record's key: "project|collection". */
  fromKey(index: number, part: 0 | 1): string | null {
    const keys = this.#batch!.keys;
    if (keys === null || (keys.nulls !== null && (keys.nulls[index >> 3] & (1 << (index & 7))) !== 0)) return null;
    const text = utf8.decode(keys.bytes.subarray(keys.offsets[index], keys.offsets[index + 1]));
    const bar = text.indexOf("|");
    return bar < 0 ? null : part === 0 ? text.slice(0, bar) : text.slice(bar + 1);
  }

  /** As the original had it. */
  fromOriginal(index: number, part: 0 | 1): string | null {
    return splitPart(originOf(this.#batch!)).startsWith("shardId-") ? this.fromKey(index, part) : this.#ofTopic(part);
  }

  #ofTopic(part: 0 | 1): string {
    const name = collectionOfSource(this.#parent);
    const dot = name.indexOf(".");
    if (dot < 0) return part === 0 ? this.#config.project : name;
    return part === 0 ? name.slice(0, dot) : name.slice(dot + 1);
  }

  #find(op: Op, { project, collection }: FoundNames): AvroDestination {
    if (project === null) return { problem: "the record names no project" };
    if (collection === null) return { problem: "the record names no collection" };
    const lower = project.toLowerCase();
    const inProject = nameProblem(lower), inCollection = nameProblem(collection);
    if (inProject !== null) return { problem: `the project's name ${inProject}` };
    if (inCollection !== null) return { problem: `the collection's name ${inCollection}` };
    if (this.#allowed !== null && !this.#allowed.has(collection)) return null;
    return new AvroTable(this.#tables.get({ project: lower, collection }), op, this.#rolesOf(op));
  }
}

const utf8 = new TextDecoder();
