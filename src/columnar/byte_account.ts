/**
 * The bytes that a set of builders holds now: every array counts with its capacity from the moment it is made until it
 * is dropped, and objects with an estimate. Reading it costs nothing, so memory limits can be checked at every batch.
 */
export class ByteAccount {
  byteLength = 0;
}

/** Estimate of what a column costs besides its arrays: the objects, the name, the entries by which it is found. */
export const COLUMN_OVERHEAD_BYTES = 1024;
/** Estimate of what a table costs besides its columns and arrays. */
export const TABLE_OVERHEAD_BYTES = 2048;

/** Values or rows that a new array has room for. Small, since a stream may name thousands of tables. */
export const MIN_CAPACITY = 4;
/** Bytes that a new text column has room for. */
export const MIN_TEXT_CAPACITY = 64;
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
