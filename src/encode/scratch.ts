import { OutputBuffer } from "./output_buffer.ts";

/**
 * Room for the texts of one run of rows: all of them in one buffer, told apart by offsets; the offsets also
 * take lists of rows. Clearing voids them all.
 */
export class Scratch {
  readonly text: OutputBuffer;
  /** Replaced when it grows: take it anew after each `takeOffsets`. */
  offsets: Uint32Array;
  #taken = 0;

  constructor(byteLength: number, offsetCount: number) {
    this.text = new OutputBuffer(byteLength);
    this.offsets = new Uint32Array(offsetCount);
  }

  /** @returns the index of the first of `count` offsets, which are the caller's to set. */
  takeOffsets(count: number): number {
    const first = this.#taken;
    this.#taken += count;
    if (this.#taken > this.offsets.length) {
      const grown = new Uint32Array(2 * this.#taken);
      grown.set(this.offsets.subarray(0, first));
      this.offsets = grown;
    }
    return first;
  }

  /** Voids all texts. */
  clear(): void {
    this.#taken = 0;
    this.text.length = 0;
  }

  /** Voids all texts, and frees memory above these lengths. */
  reset(keepByteLength: number, keepOffsetCount: number): void {
    this.clear();
    this.text.reset(keepByteLength);
    if (this.offsets.length > keepOffsetCount) this.offsets = new Uint32Array(keepOffsetCount);
  }
}

/** Rows of a block that have a value. */
export interface RowList {
  /** The rows are among [start, end). */
  readonly start: number;
  readonly end: number;
  /** Where the scratch's offsets list them, ascending. */
  readonly first: number;
  readonly count: number;
}

/** Lists the rows of [start, end) that aren't null. */
export function listRows(scratch: Scratch, nulls: Uint8Array | null, start: number, end: number): RowList {
  const first = scratch.takeOffsets(end - start);
  const { offsets } = scratch;
  let next = first;
  if (nulls === null) {
    for (let row = start; row < end; row++) offsets[next++] = row;
    return { start, end, first, count: end - start };
  }
  for (let base = start & ~7; base < end; base += 8) {
    let present = ~nulls[base >> 3] & 0xff;
    if (base < start) present &= 0xff << (start - base);
    if (base + 8 > end) present &= 0xff >> (base + 8 - end);
    while (present !== 0) {
      offsets[next++] = base + 31 - Math.clz32(present & -present);
      present &= present - 1;
    }
  }
  return { start, end, first, count: next - first };
}
