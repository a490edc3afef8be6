import type { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import { withAbort } from "../../runtime/abort.ts";
import type { SourceHandler } from "../source.ts";
import type { SplitId } from "../../records/position.ts";
import { type Feed, fileFeed } from "./feed.ts";
import type { OpenSplit, OpenSplits } from "./open_splits.ts";
import { SplitReader } from "./split_reader.ts";

/** Splits written to the checkpoint file at a time: thousands of small files must not cost a write each. */
const REGISTER_AT_A_TIME = 1000;

export interface SplitFeederOptions {
  readonly open: OpenSplits;
  readonly checkpoints: CheckpointFile;
  readonly handler: SourceHandler;
  readonly maxOpen: number;
  /** Whether files may still grow. */
  readonly follow: boolean;
  readonly maxRecordByteLength: number;
  /** Ends the wait for the handler when the source is closed. */
  readonly closing: AbortSignal;
  /** Told about a feed that can't be opened. */
  onBroken(feed: Feed, error: unknown): void;
}

function firstOf<T>(values: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.length === count) break;
    first.push(value);
  }
  return first;
}

/** Turns what waits to be read into open splits, as places get free. */
export class SplitFeeder {
  readonly #options: SplitFeederOptions;
  /** In the order in which they came. At most MAX_FILES and two more. */
  readonly #waiting = new Map<SplitId, Feed>();
  /** Taken from the waiting ones, not in the open ones yet. */
  readonly #opening = new Set<SplitId>();
  #activating: Promise<void> | null = null;

  constructor(options: SplitFeederOptions) {
    this.#options = options;
  }

  /** True when `activate` would open something. */
  get hasWork(): boolean {
    const { open, maxOpen } = this.#options;
    return this.#waiting.size > 0 && (open.size < maxOpen || this.#leastUseful() !== null);
  }

  /** True while splits are being opened; `activate` then waits for them. */
  get isBusy(): boolean {
    return this.#activating !== null;
  }

  /** Has it opened when its turn comes; nothing happens when it waits or is open already. */
  enqueue(feed: Feed): void {
    const { split } = feed;
    if (this.#options.open.get(split) === undefined && !this.#opening.has(split)) this.#waiting.set(split, feed);
  }

  /** It won't be opened after all. */
  forget(split: SplitId): void {
    this.#waiting.delete(split);
  }

  /**
   * Opens what waits, as far as there are places, and tells the handler what is new. A second call while one is under
   * way waits for the same.
   */
  activate(): Promise<void> {
    return this.#activating ??= this.#activate().finally(() => this.#activating = null);
  }

  /** Resolves when nothing is being opened any more. */
  async settle(): Promise<void> {
    await this.#activating?.catch(() => {}); // whoever asked for it gets the error
  }

  /** Closes an open split whose place another needs; what it has left is read when its turn comes again. */
  async release(open: OpenSplit): Promise<void> {
    this.#options.open.remove(open);
    if (open.file !== null) open.file.open = false;
    await open.reader.close();
  }

  async #activate(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#options.closing.aborted && await this.#makeRoom()) {
      const feeds = await this.#takeFirst(this.#options.maxOpen - this.#options.open.size);
      const readers = await Promise.all(feeds.map((feed) => this.#openReader(feed)));
      const adding = feeds.map((feed, i) => readers[i] === null ? null : this.#add(feed, readers[i]));
      const failed = (await Promise.allSettled(adding)).find(({ status }) => status === "rejected");
      this.#opening.clear();
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    }
  }

  /** Without follow a file keeps its place to its end: nobody waits for the others. */
  #leastUseful(): OpenSplit | null {
    return this.#options.follow ? this.#options.open.leastUseful() : null;
  }

  async #makeRoom(): Promise<boolean> {
    const { open, maxOpen } = this.#options;
    if (open.size < maxOpen) return true;
    const least = this.#leastUseful();
    if (least === null) return false;
    await this.release(least);
    if (!least.reader.atEnd && least.file !== null) this.enqueue(fileFeed(least.file));
    return true;
  }

  /** The first that wait, at most `count`. Their names and starts are durable, so that they never change afterwards. */
  async #takeFirst(count: number): Promise<Feed[]> {
    const { checkpoints } = this.#options;
    const first = firstOf(this.#waiting.values(), Math.min(count, REGISTER_AT_A_TIME));
    if (first.some(({ split }) => checkpoints.get(split) === undefined)) {
      for (const { split, details } of firstOf(this.#waiting.values(), REGISTER_AT_A_TIME)) {
        if (checkpoints.get(split) === undefined) checkpoints.add(split, { position: "0", details: details() });
      }
      await checkpoints.save();
    }
    for (const { split } of first) {
      this.#waiting.delete(split);
      this.#opening.add(split);
    }
    return first;
  }

  /** Null when it can't be opened, or is gone again (then the next scan finds out where it is). */
  async #openReader(feed: Feed): Promise<SplitReader | null> {
    const { checkpoints, maxRecordByteLength, follow, onBroken } = this.#options;
    try {
      const stream = await feed.open();
      if (stream === null) return null;
      const start = this.#start(feed);
      const reader = new SplitReader(stream, {
        split: feed.split,
        epoch: checkpoints.epoch,
        start,
        maxRecordByteLength,
      });
      if (!follow) reader.finish();
      return reader;
    } catch (error) {
      onBroken(feed, error);
      return null;
    }
  }

  /** Open from now on, and to be read as soon as the handler knows of it. */
  async #add(feed: Feed, reader: SplitReader): Promise<void> {
    const { split, file } = feed;
    try {
      await this.assign(feed);
    } catch (error) {
      await reader.close();
      throw error;
    }
    if (file?.gone) return await reader.close(); // replaced meanwhile: what took its place is read instead
    if (file !== null) file.open = true;
    this.#options.open.add({
      split,
      reader,
      file,
      detachedAtMs: null,
      deliveredByteLength: 0,
      seenSize: file?.size ?? 0,
      idleLooks: 0,
    });
  }

  #start({ split, file }: Feed): number {
    return file?.delivered ?? Number(this.#options.checkpoints.get(split)!.position);
  }

  /** Tells the handler of it, if that doesn't know it from this run. */
  async assign(feed: Feed): Promise<void> {
    const { checkpoints, handler, closing } = this.#options;
    const { split, file } = feed;
    if (file?.assigned) return; // it was open before in this run
    const start = this.#start(feed);
    const committed = file?.restored ?? start > 0;
    await withAbort(handler.assigned(split, checkpoints.epoch, String(start), { committed }), closing);
    if (file !== null) file.assigned = true;
  }
}
