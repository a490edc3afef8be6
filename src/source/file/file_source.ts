/**
 * Reads files line by line. Three things go on, all in one isolate:
 *
 *     scan (at open; with follow also every scan interval) --> catalog: what is new, grown, renamed, truncated, gone
 *     activate: files with unread data --> opened, kept in the checkpoint file, assigned --> open splits
 *     poll: the open splits in turn --> read --> lines --> a batch
 *
 * A file that reached its end leaves its place at once, or, with follow, when another needs it; it comes back when it
 * grows.
 */
import { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import { failing, working } from "../../runtime/outage.ts";
import { withAbort } from "../../runtime/abort.ts";
import { Condition } from "../../runtime/condition.ts";
import { FatalError, InvariantError, SplitLostError } from "../../runtime/errors.ts";
import { openableFiles, RESERVED_OPEN_FILES } from "../../runtime/open_files.ts";
import type { Epoch, Position, SplitId } from "../../records/position.ts";
import { gapBatch, type PollLimit, type RecordBatch } from "../../records/record_batch.ts";
import type { Source, SourceContext, SourceHandler } from "../source.ts";
import type { Input } from "../../codecs/byte_stream.ts";
import { fileFeed, inputFeed, sampleFeed } from "./feed.ts";
import { FileCatalog } from "./file_catalog.ts";
import { type FollowState, lookAtGrowing, scanAndFeed } from "./follow.ts";
import { type OpenSplit, OpenSplits } from "./open_splits.ts";
import { type FileConfig, pathsOf } from "./options.ts";
import { type Paths, STANDARD_INPUT } from "./paths.ts";
import { SplitFeeder } from "./split_feeder.ts";
import { startAtEnd } from "./start_at_end.ts";
import type { TrackedFile } from "./tracked_file.ts";
import { isSystemError, type Skipped, unreadable } from "./walk.ts";

/** Without follow the order of files is nobody's concern, and few at a time make few ranges in a flush. */
const OPEN_WITHOUT_FOLLOW = 8;

/** Paths in a message, of those that can't be read. */
const MAX_NAMED = 5;
/** With follow, files that grow are looked at this often. */
const GROWTH_INTERVAL_MS = 100;

const LOOKING = "the search for files";

/** What doesn't come from the file system. */
export interface FileInputs {
  readonly standardInput: Input;
  /** The sample events, and when they are said to have arrived (epoch ms). */
  sample(): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly timeMs: number }>;
}

/** What there is from `open` on. */
type Opened = FollowState;

export class FileSource implements Source {
  readonly #config: FileConfig;
  readonly #context: SourceContext;
  readonly #inputs: FileInputs;
  readonly #paths: Paths;
  readonly #changed = new Condition();
  readonly #closing = new AbortController();
  /** Offsets up to which records were delivered, of standard input and the sample events. */
  readonly #deliveredOfInputs = new Map<SplitId, number>();
  #opened: Opened | null = null;
  #following: Promise<void> | null = null;
  /** Ends the source at the next poll. */
  #failure: unknown = null;
  /** A file that could not be read to its end; it ends the source when all others were read. */
  #broken: FatalError | null = null;

  constructor(config: FileConfig, context: SourceContext, inputs: FileInputs) {
    this.#config = config;
    this.#context = context;
    this.#inputs = inputs;
    this.#paths = pathsOf(config, context);
  }

  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { follow, offset } = this.#config;
    const opened = this.#opened = await this.#openState(handler);
    const alreadyRead = await this.#addInputs(opened);
    if (follow && offset === "latest" && opened.checkpoints.fresh) {
      await opened.catalog.scan();
      await startAtEnd(opened.catalog.unread(), opened.checkpoints);
    }
    const { missing, skipped } = await scanAndFeed(opened);
    this.#reportMissing(missing, skipped);
    if (!opened.feeder.hasWork && !follow && (alreadyRead || missing.length === 0)) {
      const { checkpoint } = this.#config;
      this.#context.runtime.log.info("everything was read before; delete the checkpoint file to read it again", {
        checkpoint,
      });
    }
    await withAbort(this.#activate(opened), signal);
    if (follow && this.#paths.hasFiles) this.#following = this.#follow(opened);
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const opened = this.#opened;
    if (opened === null) throw new InvariantError("poll before open");
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== null) throw this.#failure;
      const gap = await this.#nextGap(opened);
      if (gap !== null) return gap;
      if (opened.feeder.hasWork) await withAbort(this.#activate(opened), signal);
      const next = opened.open.next();
      if (next !== null) {
        const batch = next.reader.take(limit);
        if (batch !== null) return this.#deliver(opened, next, batch);
        if (next.reader.ended) await this.#retire(opened, next);
        else await this.#fill(opened, next, { limit, signal });
      } else if (opened.feeder.isBusy) {
        await withAbort(this.#activate(opened), signal); // of a poll that was aborted
      } else if (opened.open.size > 0 || this.#following !== null) {
        await this.#changed.wait(signal);
      } else if (!opened.feeder.hasWork) {
        this.#throwBroken(opened);
        return "end";
      }
    }
  }

  pause(splits: readonly SplitId[]): void {
    for (const split of splits) this.#opened?.open.pause(split);
  }

  resume(splits: readonly SplitId[]): void {
    for (const split of splits) this.#opened?.open.resume(split);
    this.#changed.notify();
  }

  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#opened === null) throw new SplitLostError(split, `can't commit ${split}: the source isn't open`);
    const { checkpoints, catalog } = this.#opened;
    const file = catalog.get(split);
    if (epoch === checkpoints.epoch && file !== undefined && BigInt(next) > BigInt(file.delivered)) {
      throw new InvariantError(
        `commit of ${split} at ${next}, but records were delivered up to ${file.delivered} only`,
      );
    }
    await withAbort(checkpoints.commit(split, epoch, next), signal);
  }

  async close(): Promise<void> {
    this.#closing.abort(new DOMException("the source is closed", "AbortError"));
    await this.#following;
    if (this.#opened === null) return;
    await this.#opened.feeder.settle();
    for (const { reader } of this.#opened.open) await reader.close();
    await this.#opened.checkpoints.close();
  }

  async #openState(handler: SourceHandler): Promise<Opened> {
    const { follow, rotateWaitMs } = this.#config;
    const { runtime, maxRecordByteLength, target } = this.#context;
    const path = this.#paths.hasFiles || this.#paths.sample ? this.#config.checkpoint : null;
    const { place, trial } = target ?? {};
    const checkpoints = await CheckpointFile.open({ path, source: "file", target: place, trial });
    if (checkpoints.earlierTarget !== null) {
      runtime.log.warn(
        "the target has changed: what was read for the earlier one doesn't come again; a file.checkpoint of its own has everything read anew",
        {
          ...{ checkpoint: this.#config.checkpoint, earlier: checkpoints.earlierTarget, target: place },
        },
      );
    }
    const open = new OpenSplits();
    const catalog = new FileCatalog(this.#paths, checkpoints, { runtime, follow });
    const feeder = new SplitFeeder({
      open,
      checkpoints,
      handler,
      maxOpen: this.#maxOpen(),
      follow,
      maxRecordByteLength,
      closing: this.#closing.signal,
      onBroken: ({ split, file }, error) => this.#reportBroken(split, file, error),
    });
    return { open, catalog, feeder, clock: runtime.clock, rotateWaitMs, checkpoints };
  }

  /** As many as wanted, and as this process may. */
  #maxOpen(): number {
    const { follow, maxOpen } = this.#config;
    const wanted = follow ? maxOpen : Math.min(maxOpen, OPEN_WITHOUT_FOLLOW);
    const openable = Math.max(1, openableFiles(wanted + RESERVED_OPEN_FILES) - RESERVED_OPEN_FILES);
    if (openable < wanted) {
      const advice = "raise ulimit -n (LimitNOFILE of a service)";
      this.#context.runtime.log.warn("fewer files can be open than file.max-open says", { wanted, openable, advice });
    }
    return Math.min(wanted, openable);
  }

  /** Standard input and the sample events. True when the sample events were all read before. */
  async #addInputs({ checkpoints, feeder }: Opened): Promise<boolean> {
    for (const [split, { details }] of [...checkpoints.splits()]) {
      if (details.path === STANDARD_INPUT) checkpoints.forget(split); // of an earlier run: nobody can go on with it
    }
    await checkpoints.save();
    if (this.#paths.standardInput) feeder.enqueue(inputFeed(this.#inputs.standardInput, this.#context.runtime));
    if (!this.#paths.sample) return false;
    const { bytes, timeMs } = await this.#inputs.sample();
    const feed = await sampleFeed(bytes, timeMs);
    const alreadyRead = Number(checkpoints.get(feed.split)?.position ?? 0) >= bytes.length;
    if (!alreadyRead) feeder.enqueue(feed);
    return alreadyRead;
  }

  #reportMissing(missing: readonly string[], skipped: readonly Skipped[]): void {
    const { follow } = this.#config;
    const wrong = skipped.filter(({ kind }) => kind === "wrong").map(({ path, why }) => `${path}: ${why}`);
    if (wrong.length > 0) throw new FatalError(`file.path: ${wrong.join("; ")}`);
    const plain = this.#paths.plain(missing);
    if (plain.length > 0 && !follow) throw new FatalError(`file.path: there is no ${plain.join(", no ")}`);
    for (const path of missing) {
      this.#context.runtime.log.warn(follow ? "no file matches yet" : "no file matches", { path });
    }
  }

  /** Reads once. Standard input may keep us waiting, so the others go on meanwhile. */
  async #fill(
    opened: Opened,
    next: OpenSplit,
    { limit, signal }: { limit: PollLimit; signal: AbortSignal },
  ): Promise<void> {
    const filling = next.reader.fill(limit).catch(async (error) => {
      this.#reportBroken(next.split, next.file, error);
      await opened.feeder.release(next);
    });
    if (next.file !== null) return await withAbort(filling, signal);
    withAbort(filling, this.#closing.signal).catch(() => {}).finally(() => this.#changed.notify());
  }

  #deliver({ open, catalog }: Opened, next: OpenSplit, batch: RecordBatch): RecordBatch {
    const { file, reader, split } = next;
    if (file !== null) {
      file.delivered = reader.delivered;
      catalog.leftOut.read(file.path);
    } else this.#deliveredOfInputs.set(split, reader.delivered);
    open.served(next, Number(batch.next) - Number(batch.start));
    return batch;
  }

  /** Tells of bytes that were seen and are gone. Contents that were truncated away never come back; a file that is gone may. */
  async #nextGap({ catalog, feeder, checkpoints }: Opened): Promise<RecordBatch | null> {
    const [file] = catalog.lost;
    if (file === undefined) return null;
    if (checkpoints.get(file.split) === undefined) {
      checkpoints.add(file.split, { position: String(file.delivered), details: file.details() });
    }
    await feeder.assign(fileFeed(file));
    catalog.lost.shift();
    const { split, delivered, size, sizeAfterTruncation } = file;
    const gap = { reason: "expired", start: String(delivered), next: String(size), records: null } as const;
    if (sizeAfterTruncation !== null) file.delivered = size;
    return gapBatch({ split, epoch: checkpoints.epoch }, gap, String(file.delivered));
  }

  /** Everything of it was delivered. With follow, that is only so when it lost its name or was replaced. */
  async #retire({ feeder, catalog }: Opened, open: OpenSplit): Promise<void> {
    const { file, reader } = open;
    await feeder.release(open);
    if (file === null) return;
    if (file.sizeAfterTruncation !== null) catalog.warnOfTruncation(file);
    this.#context.runtime.log.debug("read to its end", {
      path: file.path,
      split: file.split,
      position: reader.delivered,
    });
    file.end = { position: reader.delivered, size: file.size };
    if (this.#config.follow) catalog.markGone(file);
    else catalog.save(file);
  }

  async #follow(opened: Opened): Promise<void> {
    const { signal } = this.#closing;
    const { scanIntervalMs } = this.#config;
    const { clock } = this.#context.runtime;
    for (let scannedAtMs = clock.monotonicMs(); !signal.aborted; this.#changed.notify()) {
      try {
        const waitMs = scannedAtMs + scanIntervalMs - clock.monotonicMs();
        await clock.sleep(Math.max(0, Math.min(waitMs, GROWTH_INTERVAL_MS)), signal);
        const full = clock.monotonicMs() - scannedAtMs >= scanIntervalMs;
        if (full) scannedAtMs = clock.monotonicMs();
        await (full ? scanAndFeed(opened) : lookAtGrowing(opened)).then(
          () => working(this.#context.runtime, LOOKING),
          (error) => failing(this.#context.runtime, LOOKING, { error }),
        );
        await this.#activate(opened);
      } catch (error) {
        if (!signal.aborted) this.#failure ??= error;
        return this.#changed.notify();
      }
    }
  }

  #activate({ feeder }: Opened): Promise<void> {
    return feeder.activate().catch((error) => {
      this.#failure ??= error; // also when the poll that waited for it was aborted
      throw error;
    });
  }

  #reportBroken(split: SplitId, file: TrackedFile | null, error: unknown): void {
    const path = file?.path ?? split;
    if (file !== null && isSystemError(error)) return this.#opened!.catalog.leftOut.note(unreadable(path, error));
    const broken = new FatalError(`${path} can't be read to its end: ${(error as Error).message}`, { cause: error });
    if (file !== null) file.brokenAtSize = file.size;
    if (this.#config.follow) {
      this.#context.runtime.log.error("a file can't be read any further", { split, path }, error);
    } else this.#broken ??= broken;
  }

  /** Everything else was read: what could not be read is said now. */
  #throwBroken({ catalog }: Opened): void {
    if (this.#broken !== null) throw this.#broken;
    const left = catalog.leftOut.all.filter(({ kind }) => kind === "unreadable");
    if (left.length === 0) return;
    const some = left.slice(0, MAX_NAMED).map(({ path, why }) => `${path} (${why})`).join(", ");
    const more = left.length > MAX_NAMED ? ` and ${left.length - MAX_NAMED} more` : "";
    throw new FatalError(`can't read ${some}${more}; everything else was read`);
  }
}
