/**
 * Where turns, blocks and units of a replay end: after records that only the records before them decide, so that the
 * same range has the same ones each time, however it was fetched.
 *
 *     turn    one split's records, until they have TURN_BYTE_LENGTH (or TURN_ROWS, or the split ends); then the next split
 *     block   turns, until they have BLOCK_BYTE_LENGTH: compressed together
 *     unit    blocks, until they have the unit's length: stored and committed together; then the first split's turn
 */
import type { Cut, PollLimit } from "../records/record_batch.ts";

/** All of these are part of what decides the objects' names and contents: a change makes other objects of the same range. */
const TURN_BYTE_LENGTH = 1 << 20;
const TURN_ROWS = 100_000;
const BLOCK_BYTE_LENGTH = 8 << 20;
/** What a record counts for in a block at least: so small ones, and empty ones, end blocks and units too. */
const LEAST_RECORD_BYTE_LENGTH = 8;

export class UnitPlan {
  readonly #unitByteLength: number;
  #turnByteLength = 0;
  #turnRows = 0;
  #blockByteLength = 0;
  #soFarByteLength = 0;

  /** @param unitByteLength of records' values; the last turn goes beyond it by a record at the most. */
  constructor(unitByteLength: number) {
    this.#unitByteLength = unitByteLength;
  }

  /**
   * What the next batch of the turn may have. The record that fills the turn doesn't fit and so comes alone: otherwise
   * empty records behind it would be in its batch or not, as it happens.
   */
  limit(poll: PollLimit): PollLimit {
    return {
      maxBytes: Math.min(poll.maxBytes, TURN_BYTE_LENGTH - 1 - this.#turnByteLength),
      maxRows: Math.min(poll.maxRows, TURN_ROWS - this.#turnRows),
    };
  }

  /** Counts a batch of the turn. True when the turn is over. */
  add(byteLength: number, rowCount: number): boolean {
    this.#turnByteLength += byteLength;
    this.#turnRows += rowCount;
    return this.#turnByteLength >= TURN_BYTE_LENGTH || this.#turnRows >= TURN_ROWS;
  }

  /** The turn is over: what ends with it, if anything. */
  endTurn(): Cut | null {
    this.#blockByteLength += Math.max(this.#turnByteLength, this.#turnRows * LEAST_RECORD_BYTE_LENGTH);
    this.#turnByteLength = 0;
    this.#turnRows = 0;
    if (this.#blockByteLength < BLOCK_BYTE_LENGTH && this.#unitSoFar < this.#unitByteLength) return null;
    this.#soFarByteLength = this.#unitSoFar;
    this.#blockByteLength = 0;
    if (this.#soFarByteLength < this.#unitByteLength) return "block";
    this.#soFarByteLength = 0;
    return "unit";
  }

  get #unitSoFar(): number {
    return this.#soFarByteLength + this.#blockByteLength;
  }
}
