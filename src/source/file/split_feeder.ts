import type { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import { withAbort } from "../../runtime/abort.ts";
import type { SourceHandler, SplitId } from "../source.ts";
import type { Feed } from "./feed.ts";
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

/** Turns what waits to be read into open splits, as places get free. */
export class SplitFeeder {
  readonly #options: SplitFeederOptions;
  /** In the order in which they came. At most MAX_FILES and two more. */
  readonly #waiting = new Map<SplitId, Feed>();
  #activating: Promise<void> | null = null;

  constructor(options: SplitFeederOptions) {
    this.#options = options;
  }

  /** True when `activate` would open something. */
  get hasWork(): boolean {
    const { open, maxOpen } = this.#options;
    return this.#waiting.size > 0 && (open.size < maxOpen || open.leastUseful() !== null);
  }

  enqueue(feed: Feed): void {
    if (this.#options.open.get(feed.split) === undefined) this.#waiting.set(feed.split, feed);
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
    await open.reader.close();
  }

  async #activate(): Promise<void> {
    const { open, closing } = this.#options;
    while (this.#waiting.size > 0 && !closing.aborted && await this.#makeRoom()) {
      await this.#register();
      const feeds = [...this.#waiting.values()].slice(0, this.#options.maxOpen - open.size);
      for (const feed of feeds) this.#waiting.delete(feed.split);
      await Promise.all(feeds.map((feed) => this.#openFeed(feed)));
    }
  }

  async #makeRoom(): Promise<boolean> {
    const { open, maxOpen } = this.#options;
    if (open.size < maxOpen) return true;
    const least = open.leastUseful();
    if (least === null) return false;
    await this.release(least);
    return true;
  }

  /** Names and starts are durable before the first read, so that they never change afterwards. */
  async #register(): Promise<void> {
    const { checkpoints } = this.#options;
    let count = 0;
    for (const feed of this.#waiting.values()) {
      if (count++ === REGISTER_AT_A_TIME) break;
      if (checkpoints.get(feed.split) === undefined) {
        checkpoints.add(feed.split, { position: "0", details: feed.details() });
      }
    }
    await checkpoints.save();
  }

  async #openFeed(feed: Feed): Promise<void> {
    const { open, checkpoints, maxRecordByteLength, follow, onBroken } = this.#options;
    const { split, file } = feed;
    const start = file?.delivered ?? Number(checkpoints.get(split)!.position);
    let stream;
    try {
      stream = await feed.open();
    } catch (error) {
      return onBroken(feed, error);
    }
    if (stream === null) return; // gone again: the next scan finds out where it is
    const reader = new SplitReader(stream, { split, epoch: checkpoints.epoch, start, maxRecordByteLength });
    try {
      await this.#assign(feed, start);
    } catch (error) {
      await reader.close();
      throw error;
    }
    if (!follow) reader.finish();
    open.add({ split, reader, file, detachedAtMs: null, deliveredByteLength: 0, seenSize: file?.size ?? 0 });
  }

  async #assign({ split, file }: Feed, start: number): Promise<void> {
    const { checkpoints, handler, closing } = this.#options;
    if (file?.assigned) return; // it was open before in this run
    const committed = file?.restored ?? start > 0;
    await withAbort(handler.assigned(split, checkpoints.epoch, String(start), { committed }), closing);
    if (file !== null) file.assigned = true;
  }
}
