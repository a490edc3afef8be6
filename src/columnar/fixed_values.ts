import type { Block, BlockRows } from "./block.ts";
import {
  type ByteAccount,
  grownCapacity,
  MIN_CAPACITY,
  recycledCapacity,
  SMALL_CAPACITY,
  VALUES_OVERHEAD_BYTES,
} from "./byte_account.ts";
import { BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, type Kind, TIMESTAMP } from "./kinds.ts";
import type { TimestampForm } from "./types.ts";
import type { Values } from "./values.ts";

type NumberArray = Uint8Array | Int32Array | Float64Array | BigInt64Array;

/** Values of one width in one typed array. */
abstract class FixedValues<A extends NumberArray> implements Values {
  abstract readonly kind: Kind;
  values: A;
  capacity = 0;
  readonly #account: ByteAccount;

  constructor(account: ByteAccount, empty: A) {
    this.#account = account;
    this.values = empty;
    account.byteLength += VALUES_OVERHEAD_BYTES;
  }

  get isSmall(): boolean {
    return this.capacity <= SMALL_CAPACITY;
  }

  protected abstract allocate(capacity: number): A;
  abstract block(rows: BlockRows): Block;

  reserve(count: number): void {
    if (count <= this.capacity) return;
    const old = this.values;
    this.#replace(grownCapacity(this.capacity, count));
    // The two are of one type; the union of typed arrays has no common `set`.
    (this.values as Float64Array).set(old as Float64Array);
  }

  truncate(_count: number): void {}

  recycle(count: number): void {
    const capacity = recycledCapacity(this.capacity, count, MIN_CAPACITY);
    if (capacity < this.capacity) this.#replace(capacity);
  }

  release(): void {
    this.#replace(0);
    this.#account.byteLength -= VALUES_OVERHEAD_BYTES;
  }

  #replace(capacity: number): void {
    this.#account.byteLength -= this.values.byteLength;
    this.values = this.allocate(capacity);
    this.capacity = capacity;
    this.#account.byteLength += this.values.byteLength;
  }
}

/** 0 or 1. */
export class BooleanValues extends FixedValues<Uint8Array> {
  readonly kind = BOOLEAN;

  constructor(account: ByteAccount) {
    super(account, new Uint8Array(0));
  }

  protected allocate(capacity: number): Uint8Array {
    return new Uint8Array(capacity);
  }

  block(rows: BlockRows): Block {
    return { type: "BOOLEAN", ...rows, values: this.values };
  }
}

export class IntegerValues extends FixedValues<Int32Array> {
  readonly kind = INTEGER;

  constructor(account: ByteAccount) {
    super(account, new Int32Array(0));
  }

  protected allocate(capacity: number): Int32Array {
    return new Int32Array(capacity);
  }

  block(rows: BlockRows): Block {
    return { type: "INTEGER", ...rows, values: this.values };
  }
}

/** Days since 1970-01-01. */
export class DateValues extends FixedValues<Int32Array> {
  readonly kind = DATE;

  constructor(account: ByteAccount) {
    super(account, new Int32Array(0));
  }

  protected allocate(capacity: number): Int32Array {
    return new Int32Array(capacity);
  }

  block(rows: BlockRows): Block {
    return { type: "DATE", ...rows, values: this.values };
  }
}

export class DoubleValues extends FixedValues<Float64Array> {
  readonly kind = DOUBLE;

  constructor(account: ByteAccount) {
    super(account, new Float64Array(0));
  }

  protected allocate(capacity: number): Float64Array {
    return new Float64Array(capacity);
  }

  block(rows: BlockRows): Block {
    return { type: "DOUBLE", ...rows, values: this.values };
  }
}

/** Epoch ms (µs for ISO_US), all written in one form. */
export class TimestampValues extends FixedValues<Float64Array> {
  readonly kind = TIMESTAMP;
  form: TimestampForm;

  constructor(account: ByteAccount, form: TimestampForm) {
    super(account, new Float64Array(0));
    this.form = form;
  }

  protected allocate(capacity: number): Float64Array {
    return new Float64Array(capacity);
  }

  block(rows: BlockRows): Block {
    return { type: "TIMESTAMP", ...rows, values: this.values, form: this.form };
  }
}

/** 64-bit integers, also reachable as 32-bit words so that writing one makes no BigInt: value i is words 2i and 2i + 1. */
export class BigintValues extends FixedValues<BigInt64Array> {
  readonly kind = BIGINT;
  words: Int32Array = new Int32Array(0);

  constructor(account: ByteAccount) {
    super(account, new BigInt64Array(0));
  }

  protected allocate(capacity: number): BigInt64Array {
    const values = new BigInt64Array(capacity);
    this.words = new Int32Array(values.buffer);
    return values;
  }

  /** Writes a whole number within +-2^53. There must be room. */
  setNumber(index: number, value: number): void {
    this.words[2 * index] = value | 0;
    this.words[2 * index + 1] = Math.floor(value / 4_294_967_296);
  }

  block(rows: BlockRows): Block {
    return { type: "BIGINT", ...rows, values: this.values };
  }
}
