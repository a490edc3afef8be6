/**
 * Under which leaders the records up to here were written, as their batches say it (KIP-101): by that a broker sees whether
 * its log is the one that we read, or one that lost its end in an unclean election (KIP-320).
 */
export class LeaderEpochs {
  /** Ascending in both; `from` is the offset of the first record seen in the epoch. */
  #seen: { readonly from: number; readonly epoch: number }[] = [];

  /** `epoch`: -1 when it isn't known. */
  constructor(from: number, epoch: number) {
    this.note(from, epoch);
  }

  /** Records from `from` on are of this epoch. */
  note(from: number, epoch: number): void {
    if (epoch > (this.#seen.at(-1)?.epoch ?? -1)) this.#seen.push({ from, epoch });
  }

  /** The epoch of the record before `offset`; -1 when it isn't known. */
  before(offset: number): number {
    return this.#seen.findLast(({ from }) => from < offset)?.epoch ?? -1;
  }

  /** The log parted from ours at `offset`: what was seen from there on counts no more. */
  cut(offset: number): void {
    this.#seen = this.#seen.filter(({ from }) => from < offset);
  }

  /** Nobody asks for what lies before `offset` any more. */
  forgetBefore(offset: number): void {
    const last = this.#seen.findLastIndex(({ from }) => from < offset);
    if (last > 0) this.#seen.splice(0, last);
  }
}
