import type { TableSet } from "../../columnar/table_set.ts";
import type { RecordBatch } from "../../records/record_batch.ts";
import { COMMA, LEFT_BRACE, LEFT_BRACKET, LOWER_F, LOWER_N, LOWER_T, MINUS, NINE, QUOTE, ZERO } from "../bytes.ts";
import { COLLECTION, DATA, JsonEnvelopeReader, PROJECT, PROPERTIES } from "./envelope_reader.ts";
import { ROLE_COLLECTION, ROLE_DATA, ROLE_PROJECT, ROLE_PROPERTIES } from "./fields.ts";
import { JsonPrefixes } from "./prefixes.ts";
import { JsonTable } from "./table.ts";
import { type Destination, JsonTables } from "./tables.ts";
import type { DecodeConfig } from "../options.ts";
import type { RecordDecoder } from "../record_decoder.ts";
import { Rejection } from "../../records/rejection.ts";

type Layout = Exclude<DecodeConfig["jsonLayout"], "AUTO">;

/** Returned instead of a position when the record's collection isn't wanted. */
const UNWANTED = -1;

const RAKAM_ROLES = ROLE_PROJECT | ROLE_COLLECTION | ROLE_PROPERTIES;
const RAKAM_NAMES = { project: "project", collection: "collection", payload: "properties" };
const FABRIC_NAMES = { project: "data._project", collection: "data._collection", payload: "data" };

/**
 * Decodes JSON records of every layout.
 *
 * A record is read once, front to back, if its names come before its fields, as they do in practice; otherwise the fields
 * are checked, passed over, and decoded when the names are known. With layout AUTO a record is first taken for what the
 * record before it was; when it turns out to be something else its row is rolled back and it is decoded again.
 */
export class JsonDecoder extends JsonEnvelopeReader implements RecordDecoder {
  readonly #destinations: JsonTables;
  readonly #layout: DecodeConfig["jsonLayout"];
  #likelyLayout: Layout = "RAKAM";
  /** The record may be of another layout than it was taken for. */
  #isSuspect = false;
  /** What stands in RAKAM records from the first of their names to the brace of their fields; used unless the config asks for another layout. */
  readonly #prefixes: JsonPrefixes;
  /** How the data of FABRIC records begin, with the comma after their names. */
  readonly #dataPrefixes: JsonPrefixes;
  #batch: RecordBatch | null = null;

  constructor(config: DecodeConfig, tables: TableSet) {
    super(config, tables);
    this.#destinations = new JsonTables(config, tables);
    this.#layout = config.jsonLayout;
    this.#prefixes = new JsonPrefixes(tables.account);
    this.#dataPrefixes = new JsonPrefixes(tables.account);
  }

  begin(batch: RecordBatch): void {
    this.#batch = batch;
    this.setBytes(batch.bytes);
  }

  reset(): void {
    this.table = null;
    const isAnyForgotten = this.#destinations.reset();
    this.#prefixes.reset(isAnyForgotten);
    this.#dataPrefixes.reset(isAnyForgotten);
  }

  decode(start: number, end: number): boolean {
    this.start = start;
    this.end = end;
    this.eventTime = NaN;
    this.table = null;
    const table = this.bytes[start] === LEFT_BRACE ? this.#prefixes.find(this.view, start + 1, end) : null;
    const next = table === null ? this.#decodeObject() : this.#decodeKnown(table, start + this.#prefixes.length);
    if (next === UNWANTED) return false;
    if (next > end) return this.fail(end, "'}'");
    if (next < end && this.skipSpace(next) < end) return this.fail(this.skipSpace(next), "the end of the record");
    return true;
  }

  #decodeObject(): number {
    const { bytes, end } = this;
    let pos = this.start;
    if (bytes[pos] !== LEFT_BRACE) {
      // A byte order mark is no part of the value (RFC 8259, 8.1).
      if (end - pos >= 3 && bytes[pos] === 0xef && bytes[pos + 1] === 0xbb && bytes[pos + 2] === 0xbf) pos += 3;
      pos = this.skipSpace(pos);
      if (pos >= end || bytes[pos] !== LEFT_BRACE) return this.#failNoObject(pos);
    }
    return this.#layout === "AUTO" ? this.#decodeAny(pos) : this.#decodeAs(this.#layout, pos);
  }

  /** A RAKAM record whose fields' object is at `pos`. What follows the object changes nothing and is only checked. */
  #decodeKnown(table: JsonTable, pos: number): number {
    pos = this.nextName(this.decodeRow(table, table.exact, pos));
    while (pos >= 0) {
      this.topField(pos);
      pos = this.nextName(this.skipValue(this.fieldValue()));
    }
    return ~pos;
  }

  #failNoObject(pos: number): never {
    const c = this.bytes[pos];
    const isOther = c === QUOTE || c === LEFT_BRACKET || c === MINUS || (c >= ZERO && c <= NINE) || c === LOWER_T ||
      c === LOWER_F || c === LOWER_N;
    return this.fail(pos, "'{'", isOther ? "not-an-object" : "malformed-json");
  }

  #decodeAs(layout: Layout, pos: number): number {
    if (layout === "RAKAM") return this.#decodeRakam(pos);
    return layout === "FABRIC" ? this.#decodeFabric(pos) : this.#decodePlain(pos);
  }

  /** Layout AUTO: the likely layout first. */
  #decodeAny(pos: number): number {
    const likely = this.#likelyLayout;
    this.#isSuspect = false;
    this.envelopeRoles = 0;
    this.dataAt = -1;
    let code: Rejection["code"] | undefined, reason = "", next = UNWANTED;
    try {
      next = this.#decodeAs(likely, pos);
      if (likely === "RAKAM" || !(this.#isSuspect || (likely === "PLAIN" && this.#mayHaveEnvelope()))) return next;
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      ({ code, reason } = error);
    }
    const table = this.table;
    if (code !== undefined) {
      table?.rollback();
      // If it is broken, nobody knows whether it was a PLAIN record: its dead letter should not name that table.
      if (likely === "PLAIN") this.table = null;
    }
    const layout = this.classify(pos);
    this.table = table;
    if (layout === likely) return code === undefined ? next : this.reject(code, reason);
    table?.rollback();
    this.table = null;
    this.eventTime = NaN;
    this.#likelyLayout = layout;
    return this.#decodeAs(layout, pos);
  }

  /** Whether the record that was decoded as PLAIN has what makes another layout. */
  #mayHaveEnvelope(): boolean {
    if ((this.envelopeRoles & RAKAM_ROLES) === RAKAM_ROLES) return true;
    if ((this.envelopeRoles & ROLE_DATA) === 0) return false;
    if (this.dataAt < 0) return true;
    this.readFabricNames(this.dataAt);
    return this.project.isString && this.collection.isString;
  }

  #decodePlain(pos: number): number {
    const table = this.#accept(this.#destinations.plain(this.#batch!));
    if (table !== null) return this.decodeRow(table, table.exact, pos);
    // Not wanted as a PLAIN record; with AUTO, it may be of another layout and name another collection.
    this.#isSuspect = true;
    return UNWANTED;
  }

  #decodeRakam(pos: number): number {
    const { project, collection } = this;
    this.clearNames();
    let properties = -1, prefixAt = -1;
    pos = this.firstName(pos);
    while (pos >= 0) {
      const index = this.topField(pos);
      if ((index === PROJECT || index === COLLECTION) && prefixAt < 0 && properties < 0) {
        prefixAt = pos;
        const table = this.#prefixes.find(this.view, pos, this.end);
        if (table !== null) return this.#decodeKnown(table, pos + this.#prefixes.length - 1);
      }
      pos = this.fieldValue();
      if (index === PROJECT) {
        pos = this.readName(project, pos);
      } else if (index === COLLECTION) {
        pos = this.readName(collection, pos);
      } else if (index === PROPERTIES && properties < 0) {
        properties = pos;
        if (project.isString && collection.isString && this.bytes[pos] === LEFT_BRACE) {
          const table = this.#named();
          if (table === null) return UNWANTED;
          this.#prefixes.add(this.view, prefixAt, pos + 1 - prefixAt, table);
          return this.#decodeKnown(table, pos);
        }
        pos = this.skipValue(pos);
      } else {
        pos = this.skipValue(pos);
      }
      pos = this.nextName(pos);
    }
    this.checkEnvelope(properties, RAKAM_NAMES);
    const table = this.#named();
    if (table === null) return UNWANTED;
    this.decodeRow(table, table.exact, properties);
    return ~pos;
  }

  #decodeFabric(pos: number): number {
    let data = -1;
    this.clearNames();
    pos = this.firstName(pos);
    while (pos >= 0) {
      const index = this.topField(pos);
      pos = this.fieldValue();
      if (index === PROPERTIES) this.#isSuspect = true;
      if (index === DATA && data < 0) {
        data = pos;
        pos = this.#decodeData(pos);
        if (pos === UNWANTED) return UNWANTED;
      } else {
        pos = this.skipValue(pos);
      }
      pos = this.nextName(pos);
    }
    if (data < 0) this.checkEnvelope(data, FABRIC_NAMES);
    return ~pos;
  }

  #decodeData(pos: number): number {
    const known = this.#dataPrefixes.find(this.view, pos, this.end);
    // Decoding begins at the comma as it would at the brace.
    if (known !== null) return this.decodeRow(known, known.lower, pos + this.#dataPrefixes.length - 1);
    const afterNames = this.bytes[pos] === LEFT_BRACE ? this.readFabricNames(pos) : -1;
    this.checkEnvelope(pos, FABRIC_NAMES);
    const table = this.#named();
    if (table === null) return UNWANTED;
    if (afterNames >= 0 && this.bytes[afterNames] === COMMA) {
      this.#dataPrefixes.add(this.view, pos, afterNames + 1 - pos, table);
    }
    return this.decodeRow(table, table.lower, pos);
  }

  /** The table that the names of the record mean; null when it isn't wanted. */
  #named(): JsonTable | null {
    return this.#accept(this.#destinations.named(this.bytes, this.view, this.project, this.collection));
  }

  #accept(destination: Destination): JsonTable | null {
    if (destination === null || destination instanceof JsonTable) return destination;
    return this.reject("bad-name", destination.problem);
  }
}
