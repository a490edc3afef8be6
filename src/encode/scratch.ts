import { OutputBuffer } from "./output_buffer.ts";

/**
 * Room for the texts of one run of rows: all of them in one buffer, told apart by offsets; the offsets also
 * take lists of members. Clearing voids them all.
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
