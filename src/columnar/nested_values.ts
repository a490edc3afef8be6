import type { ArrayBlock, Block, BlockRows, MapBlock, ScalarBlock, VarcharBlock } from "./block.ts";
import {
  type ByteAccount,
  grownCapacity,
  MIN_CAPACITY,
  recycledCapacity,
  VALUES_OVERHEAD_BYTES,
} from "./byte_account.ts";
import { ColumnBuilder, type ColumnSettings, type NestedStorage } from "./column_builder.ts";
import { ARRAY, columnTypeOf, type Kind, MAP } from "./kinds.ts";

/** Where each value's elements end. */
abstract class NestedValues implements NestedStorage {
  abstract readonly kind: Kind;
  /** Length capacity + 1. */
  offsets: Uint32Array = new Uint32Array(1);
  capacity = 0;
  /** The elements of an ARRAY, the values of a MAP. Scalars only. */
  readonly elements: ColumnBuilder;
  readonly #account: ByteAccount;

  constructor(account: ByteAccount) {
    this.#account = account;
    this.elements = new ColumnBuilder("", account);
    account.byteLength += this.offsets.byteLength + VALUES_OVERHEAD_BYTES;
  }

  /** Its elements may be anything. */
  get isSmall(): boolean {
    return false;
  }

  abstract block(rows: BlockRows): Block;

  reserve(count: number): void {
    if (count <= this.capacity) return;
    const old = this.offsets;
    this.#replace(grownCapacity(this.capacity, count));
    this.offsets.set(old);
  }

  truncate(count: number): void {
    this.truncateElements(this.offsets[count]);
  }

  /** Drops elements from `count` on: those of a value that isn't finished. */
  truncateElements(count: number): void {
    this.elements.truncate(count);
  }

  recycle(count: number): void {
    this.elements.reset();
    const capacity = recycledCapacity(this.capacity, count, MIN_CAPACITY);
    if (capacity < this.capacity) this.#replace(capacity);
  }

  release(): void {
    this.elements.release();
    this.#account.byteLength -= this.offsets.byteLength + VALUES_OVERHEAD_BYTES;
    this.offsets = new Uint32Array(0);
    this.capacity = 0;
  }

  #replace(capacity: number): void {
    this.#account.byteLength -= this.offsets.byteLength;
    this.offsets = new Uint32Array(capacity + 1);
    this.capacity = capacity;
    this.#account.byteLength += this.offsets.byteLength;
  }
}

/** Arrays of scalars: value i holds the elements offsets[i] to offsets[i + 1]. */
export class ArrayValues extends NestedValues {
  readonly kind = ARRAY;

  block(rows: BlockRows): Block {
    const type = columnTypeOf(ARRAY, this.elements.kind) as ArrayBlock["type"];
    return { type, ...rows, offsets: this.offsets, elements: this.elements.block() as ScalarBlock };
  }
}

/** Objects of scalars, their fields in the record's own order, repeated ones too. */
export class MapValues extends NestedValues {
  readonly kind = MAP;
  readonly keys: ColumnBuilder;

  constructor(account: ByteAccount) {
    super(account);
    this.keys = new ColumnBuilder("", account, { detectTimes: false });
  }

  block(rows: BlockRows): Block {
    const type = columnTypeOf(MAP, this.elements.kind) as MapBlock["type"];
    const keys = this.keys.block() as VarcharBlock;
    return { type, ...rows, offsets: this.offsets, keys, values: this.elements.block() as ScalarBlock };
  }

  override truncateElements(count: number): void {
    super.truncateElements(count);
    this.keys.truncate(count);
  }

  override recycle(count: number): void {
    super.recycle(count);
    this.keys.reset();
  }

  override release(): void {
    super.release();
    this.keys.release();
  }
}

/** A column of a table: it may hold arrays and maps, too. */
export function newTableColumn(name: string, account: ByteAccount, settings: ColumnSettings = {}): ColumnBuilder {
  return new ColumnBuilder(name, account, settings, newNested);
}

function newNested(kind: Kind, account: ByteAccount): NestedStorage {
  return kind === ARRAY ? new ArrayValues(account) : new MapValues(account);
}
