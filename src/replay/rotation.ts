import { MAX_RANGES_AT_ONCE, type PlannedSplit } from "../records/range.ts";
import type { SplitId } from "../records/position.ts";

/** What the rotation of a unit begins with. */
export interface RotationState {
  /** Splits at their end. */
  readonly ended: readonly SplitId[];
  /** Splits that take turns. */
  readonly open: readonly SplitId[];
}

/**
 * Whose turn it is: the splits in the plan's order, over and over, at most MAX_RANGES_AT_ONCE of them at a time, none
 * before those that it comes after. When one ends, the next in the plan's order takes its place.
 */
export class Rotation {
  readonly #splits: readonly PlannedSplit[];
  readonly #indexes: ReadonlyMap<SplitId, number>;
  readonly #ended: Set<SplitId>;
  /** Indexes of those that take turns, ascending. */
  #open: number[];
  /** Indexes below this are open, have ended or are held back. */
  #seen = 0;
  /** Indexes of those whose parents haven't ended, ascending. */
  #heldBack: number[] = [];
  /** Who had the last turn; -1 at the start of a unit. */
  #last = -1;

  constructor(splits: readonly PlannedSplit[], { ended, open }: RotationState) {
    this.#splits = splits;
    this.#indexes = new Map(splits.map(({ split }, i) => [split, i]));
    this.#ended = new Set(ended);
    this.#open = open.map((split) => this.#indexes.get(split)!).sort((a, b) => a - b);
  }

  state(): RotationState {
    return { ended: [...this.#ended], open: this.#open.map((index) => this.#splits[index].split) };
  }

  hasEnded(split: SplitId): boolean {
    return this.#ended.has(split);
  }

  /** The splits that take turns now, in order; empty when all have ended. */
  active(): PlannedSplit[] {
    while (this.#open.length < MAX_RANGES_AT_ONCE) {
      const index = this.#nextReady();
      if (index === undefined) break;
      this.#open.push(index);
      this.#open.sort((a, b) => a - b);
    }
    return this.#open.map((index) => this.#splits[index]);
  }

  /** Whose turn it is after the last one's, among the active; undefined when all have ended. */
  next(): PlannedSplit | undefined {
    const next = this.#open.find((index) => index > this.#last) ?? this.#open[0];
    if (next === undefined) return undefined;
    this.#last = next;
    return this.#splits[next];
  }

  /** The next turn is the first split's again. */
  restart(): void {
    this.#last = -1;
  }

  end(split: SplitId): void {
    this.#ended.add(split);
    this.#open = this.#open.filter((index) => this.#splits[index].split !== split);
  }

  #nextReady(): number | undefined {
    const freed = this.#heldBack.find((index) => this.#isReady(index));
    if (freed !== undefined) {
      this.#heldBack = this.#heldBack.filter((index) => index !== freed);
      return freed;
    }
    while (this.#seen < this.#splits.length) {
      const index = this.#seen++;
      if (this.#ended.has(this.#splits[index].split) || this.#open.includes(index)) continue;
      if (this.#isReady(index)) return index;
      this.#heldBack.push(index);
    }
    return undefined;
  }

  /** Parents that aren't in the plan have nothing to read. */
  #isReady(index: number): boolean {
    return this.#splits[index].after.every((parent) => this.#ended.has(parent) || !this.#indexes.has(parent));
  }
}
