import { basename } from "node:path";
import { type Position, type SplitId, splitParent } from "../../records/position.ts";
import { detectCompression } from "../../codecs/detect_compression.ts";
import { fileSplitId, type Peek } from "./identity.ts";

/** A file's contents among those of earlier runs. */
export interface FileIdentity {
  readonly split: SplitId;
  /** How often the file is known to have been truncated. */
  readonly generation: number;
}

/**
 * The files of earlier runs, of which nothing is known but each split and where it ended. A split's name is made from the
 * file's first bytes: a file that was shorter than these then has another name now, and is found by the one it had.
 */
export class KnownFiles {
  readonly #ends: ReadonlyMap<SplitId, Position>;
  /** How many there are of each file name. */
  readonly #counts = new Map<string, number>();

  /** @param ends where earlier runs ended. */
  constructor(ends: ReadonlyMap<SplitId, Position>) {
    this.#ends = ends;
    for (const split of ends.keys()) {
      const name = splitParent(split);
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    }
  }

  /** The split that an earlier run has read of this file, or a new one: also when it was truncated since. */
  async identify(look: Peek): Promise<FileIdentity> {
    let known = await this.#find(look, 0);
    let generation = 0;
    for (; known !== null; generation++) {
      const later = await this.#find(look, generation + 1);
      if (later === null && !this.#isTruncated(known, look)) return { split: known, generation };
      known = later;
    }
    return { split: await fileSplitId(look, generation), generation };
  }

  /** Null when no earlier run has read it. */
  async #find(look: Peek, generation: number): Promise<SplitId | null> {
    // Those before have one each.
    if (generation >= (this.#counts.get(basename(look.file.path)) ?? 0)) return null;
    // Measured: 20 ms for a file of a known name that isn't known itself, which is rare.
    for (let byteLength = look.bytes.length; byteLength > 0; byteLength--) {
      const split = await fileSplitId({ ...look, bytes: look.bytes.slice(0, byteLength) }, generation);
      if (this.#ends.has(split)) return split;
    }
    return null;
  }

  #isTruncated(split: SplitId, { file: { size }, bytes }: Peek): boolean {
    const isPlain = (detectCompression(bytes) ?? "none") === "none";
    return isPlain && size < Number(this.#ends.get(split));
  }
}
