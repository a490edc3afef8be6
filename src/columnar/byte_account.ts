import type { Kind } from "./kinds.ts";
import type { Values } from "./values.ts";

/**
 * The bytes that a set of builders holds now: every array counts with its capacity from the moment it is made until it
 * is dropped, and objects with an estimate. Reading it costs nothing, so memory limits can be checked at every batch.
 */
export class ByteAccount {
  byteLength = 0;
  /** Small storage that no column has now, by kind: made once, it serves whichever column needs some next. */
  readonly #free: Values[][] = [];
  /** How much of it nobody has needed since it was trimmed last. */
  readonly #unneeded: number[] = [];

  /** Free storage of a kind; undefined when there is none. */
  take(kind: Kind): Values | undefined {
    const free = this.#free[kind];
    const values = free?.pop();
    if (values !== undefined && free.length < this.#unneeded[kind]) this.#unneeded[kind] = free.length;
    return values;
  }

  /** Takes storage that was recycled. Returns false when it isn't small, and stays the caller's. */
  giveBack(values: Values): boolean {
    if (!values.isSmall) return false;
    (this.#free[values.kind] ??= []).push(values);
    this.#unneeded[values.kind] ??= 0;
    return true;
  }

  /** Releases free storage that nobody has needed since the last call, and more of it while `byteLength` is above this. */
  trim(byteLength: number): void {
    this.#free.forEach((free, kind) => {
      const needed = free.length - this.#unneeded[kind];
      while (free.length > needed || (free.length > 0 && this.byteLength > byteLength)) free.pop()!.release();
      this.#unneeded[kind] = free.length;
    });
  }
}

/** Estimate of what a column costs besides its values: the object, the name, the entries by which it is found. */
export const COLUMN_OVERHEAD_BYTES = 1024;
/** Estimate of what values cost besides the contents of their arrays. */
export const VALUES_OVERHEAD_BYTES = 768;
/** Storage for at most so many values may be small. */
export const SMALL_CAPACITY = 16;
/** Estimate of what a table costs besides its columns and arrays. */
export const TABLE_OVERHEAD_BYTES = 2048;

/** Values or rows that a new array has room for. Small, since a stream may name thousands of tables. */
export const MIN_CAPACITY = 4;
/** After a seal, arrays larger than this many times what was used are replaced by smaller ones. */
export const SHRINK_FACTOR = 4;

/** The next capacity, at least `needed`: doubling, so that appending costs O(1) in the mean. */
export function grownCapacity(capacity: number, needed: number): number {
  return Math.max(needed, 2 * capacity, MIN_CAPACITY);
}

/** The capacity to go on with after `used` of `capacity` were needed: the same, or less when it was far too large. */
export function recycledCapacity(capacity: number, used: number, min: number): number {
  return capacity > min && capacity > SHRINK_FACTOR * Math.max(used, min / 2) ? Math.max(min, 2 * used) : capacity;
}
