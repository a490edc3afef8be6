import type { SplitId } from "../../records/position.ts";
import type { SplitReader } from "./split_reader.ts";
import type { TrackedFile } from "./tracked_file.ts";

/** A split that is being read. */
export interface OpenSplit {
  readonly split: SplitId;
  readonly reader: SplitReader;
  /** Null for standard input and the sample events. */
  readonly file: TrackedFile | null;
  /** Monotonic ms since when the file has had no name that we look for, and no new data; null while it has one. */
  detachedAtMs: number | null;
  /** Bytes delivered since it was opened. */
  deliveredByteLength: number;
  /** The file's size when the last scan saw it. */
  seenSize: number;
  /** Looks between two scans that have found nothing since something came. */
  idleLooks: number;
}

/** A file that others wait for gives its place up after this many bytes. */
const FAIR_SHARE_BYTE_LENGTH = 64 * 1024 * 1024;

/** The splits that are open, and whose turn it is: one after the other, a batch each. */
export class OpenSplits {
  readonly #splits = new Map<SplitId, OpenSplit>();
  readonly #paused = new Set<SplitId>();

  get size(): number {
    return this.#splits.size;
  }

  [Symbol.iterator](): IterableIterator<OpenSplit> {
    return this.#splits.values();
  }

  get(split: SplitId): OpenSplit | undefined {
    return this.#splits.get(split);
  }

  add(open: OpenSplit): void {
    this.#splits.set(open.split, open);
  }

  remove(open: OpenSplit): void {
    this.#splits.delete(open.split);
  }

  pause(split: SplitId): void {
    this.#paused.add(split);
  }

  resume(split: SplitId): void {
    this.#paused.delete(split);
  }

  /** The one whose turn is next: not paused, and not waiting for more to come. It stays next until `served`. */
  next(): OpenSplit | null {
    for (const open of this.#splits.values()) {
      const { reader, file } = open;
      const idle = (reader.atEnd && !reader.ended) || (reader.filling && file === null);
      if (!idle && !this.#paused.has(open.split)) return open;
    }
    return null;
  }

  /** It had its turn: the others come first now. */
  served(open: OpenSplit, byteLength: number): void {
    open.deliveredByteLength += byteLength;
    open.idleLooks = 0;
    open.detachedAtMs = null; // the wait for more lines begins anew
    this.#splits.delete(open.split);
    this.#splits.set(open.split, open);
  }

  /**
   * One that may be closed in favour of one that waits: at the end of its file for now, or one that has had its share
   * (not compressed files, which would be unpacked again from their start). Null when there is none.
   */
  leastUseful(): OpenSplit | null {
    for (const open of this.#splits.values()) {
      const { reader, file, detachedAtMs } = open;
      if (file === null || detachedAtMs !== null || reader.filling || reader.ended) continue;
      if (reader.atEnd) return open;
      if (file.compression === "none" && open.deliveredByteLength >= FAIR_SHARE_BYTE_LENGTH) return open;
    }
    return null;
  }
}
