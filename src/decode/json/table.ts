import type { ByteAccount } from "../../columnar/byte_account.ts";
import type { TableBuilder } from "../../columnar/table_builder.ts";
import type { ByteStrings } from "../byte_strings.ts";
import { FieldMap } from "./fields.ts";

/** Estimate of what it costs besides its fields. */
const JSON_TABLE_BYTES = 512;

/** A table as JSON records reach it: the spellings of its fields, as they are and, for FABRIC, in lower case. */
export class JsonTable {
  readonly builder: TableBuilder;
  readonly exact: FieldMap;
  readonly #account: ByteAccount;
  readonly #spellings: ByteStrings;
  #lower: FieldMap | null = null;
  #generation: number;

  constructor(builder: TableBuilder, spellings: ByteStrings, account: ByteAccount) {
    this.builder = builder;
    this.exact = new FieldMap(spellings, account, false);
    this.#account = account;
    this.#spellings = spellings;
    this.#generation = builder.generation;
    account.byteLength += JSON_TABLE_BYTES;
  }

  get lower(): FieldMap {
    return this.#lower ??= new FieldMap(this.#spellings, this.#account, true);
  }

  /** Drops what refers to columns that the builder has forgotten, which it may do between any two rows. */
  refresh(): void {
    if (this.#generation === this.builder.generation) return;
    this.#generation = this.builder.generation;
    this.exact.clear();
    this.#lower?.clear();
  }

  /** Gives all memory back to the account. Must not be used afterwards. */
  release(): void {
    this.exact.clear();
    this.#lower?.clear();
    this.#account.byteLength -= JSON_TABLE_BYTES;
  }
}
