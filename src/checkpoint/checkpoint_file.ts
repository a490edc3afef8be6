/**
 * How far each split was read, in one small JSON file, for sources that have no place of their own for it (files, the
 * demo). One line a split, so that people can read it:
 *
 *     {
 *       "version": 1, "source": "file", "epoch": "7", "target": "file /var/lib/collector/out",
 *       "splits": {
 *         "events.ndjson/5f2c81d09a3b": {"position":"1042","details":{"path":"/var/log/events.ndjson", ...}}
 *       },"crc32":"1a2b3c4d"}
 *
 * It is replaced whole: written under a temporary name, fsynced, renamed, and the directory fsynced. `<path>.lock` is
 * held with flock(2) while it is open, so the system frees it when the process dies, however it dies. `<path>.last` is what it
 * was before the last write, where the file system has hard links: damaged files are refused, and that one can be put back.
 */
import { comparePositions, type Epoch, type Position, type SplitDetails, type SplitId } from "../records/position.ts";
import { type FileLock, lockFile, replaceFile } from "../runtime/durable_file.ts";
import { parseSealed, sealed } from "../runtime/sealed_json.ts";
import { FatalError, InvariantError, SplitLostError } from "../runtime/errors.ts";

export interface SplitCheckpoint {
  /** The place of the next record. */
  readonly position: Position;
  readonly details: SplitDetails;
}

interface Contents {
  epoch: Epoch;
  /** Where rows went; null in files of before this was kept. */
  target: string | null;
  splits: Map<SplitId, SplitCheckpoint>;
}

/** What is to be opened. */
export interface CheckpointOptions {
  /** Null: in memory alone. */
  readonly path: string | null;
  /** Which source writes it: a file of another source is refused. */
  readonly source: string;
  /** Where rows go, for people; null when nothing is to be said of it. */
  readonly target?: string;
  /** The file is read, but neither locked nor written: positions that are committed are kept in memory alone. */
  readonly trial?: boolean;
}

const VERSION = 1;
const FIELDS = ["version", "source", "epoch", "splits"];
const POSITION = /^\d+(:\d+)*$/;

/**
 * An opened checkpoint file, or, with a null path, the same thing in memory for sources that can't resume. Each open
 * is a new epoch: what an earlier process read can't be committed through this one.
 */
export class CheckpointFile {
  readonly path: string | null;
  readonly epoch: Epoch;
  /** True when there was no checkpoint file before: this is the very first start. */
  readonly fresh: boolean;
  /** Where rows went before, when that was elsewhere: what was read then doesn't come here. Null otherwise. */
  readonly earlierTarget: string | null;
  readonly #source: string;
  readonly #target: string | null;
  readonly #splits: Map<SplitId, SplitCheckpoint>;
  readonly #lock: FileLock | null;
  #closed = false;
  /** Changes made so far, and how many of them are durable. */
  #changes = 0;
  #saved = 0;
  #saving: Promise<void> | null = null;

  private constructor(
    { path, source, target, trial = false }: CheckpointOptions,
    { lock, contents }: { lock: FileLock | null; contents: Contents | null },
  ) {
    this.path = trial ? null : path;
    this.#source = source;
    this.#lock = lock;
    this.fresh = contents === null;
    const { epoch, splits, target: earlier } = contents ?? emptyContents();
    this.epoch = epoch + 1n;
    this.#splits = splits;
    this.#target = target ?? earlier;
    this.earlierTarget = trial || earlier === null || earlier === this.#target ? null : earlier;
  }

  /**
   * Locks and reads the file (its directory is made), and starts a new epoch, durably.
   *
   * @throws FatalError when another process holds it, or it can't be read or written, or isn't a checkpoint file.
   */
  static async open(options: CheckpointOptions): Promise<CheckpointFile> {
    const { path, source, trial = false } = options;
    if (path === null) return new CheckpointFile(options, { lock: null, contents: null });
    if (trial) return new CheckpointFile(options, { lock: null, contents: await readContents(path, source) });
    const lock = await lockFile(`${path}.lock`).catch((error) => {
      throw new FatalError(`can't open the checkpoint's lock ${path}.lock: ${error.message}`, { cause: error });
    });
    if (lock === null) {
      throw new FatalError(
        `the checkpoint file ${path} is in use by another collector: stop that one, or give this one a checkpoint file of its own`,
      );
    }
    try {
      const file = new CheckpointFile(options, { lock, contents: await readContents(path, source) });
      file.#changes++;
      await file.save();
      return file;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get(split: SplitId): SplitCheckpoint | undefined {
    return this.#splits.get(split);
  }

  splits(): IterableIterator<[SplitId, SplitCheckpoint]> {
    return this.#splits.entries();
  }

  /** Adds a split that isn't there yet. Durable with the next `save` or `commit`. */
  add(split: SplitId, entry: SplitCheckpoint): void {
    if (this.#splits.has(split)) throw new InvariantError(`${split} is in the checkpoint file already`);
    this.#splits.set(split, entry);
    this.#changes++;
  }

  /** Replaces the details of a split, if it is there. Durable with the next `save` or `commit`. */
  describe(split: SplitId, details: SplitDetails): void {
    const before = this.#splits.get(split);
    if (before === undefined) return;
    this.#splits.set(split, { position: before.position, details });
    this.#changes++;
  }

  /** Drops a split. Durable with the next `save` or `commit`. */
  forget(split: SplitId): void {
    if (this.#splits.delete(split)) this.#changes++;
  }

  /**
   * Makes `next` the place where reading goes on; durable when resolved. Commits that come together share one write.
   *
   * @throws SplitLostError when `epoch` isn't this file's, or it was closed; nothing was moved.
   * @throws InvariantError when the split is unknown or `next` is before what was committed.
   * @throws FatalError when the file can't be written.
   */
  async commit(split: SplitId, epoch: Epoch, next: Position): Promise<void> {
    if (this.#closed) throw new SplitLostError(split, `can't commit ${split}: the source is closed`);
    if (epoch !== this.epoch) {
      throw new SplitLostError(split, `can't commit ${split}: it was read in epoch ${epoch}, now is ${this.epoch}`);
    }
    const before = this.#splits.get(split);
    if (before === undefined) throw new InvariantError(`commit of ${split}, which was never assigned`);
    if (comparePositions(next, before.position) < 0) {
      throw new InvariantError(`commit of ${split} would go back from ${before.position} to ${next}`);
    }
    if (before.position !== next) {
      this.#splits.set(split, { position: next, details: before.details });
      this.#changes++;
    }
    await this.save();
  }

  /** Resolves when every change made before the call is durable. @throws FatalError when the file can't be written. */
  async save(): Promise<void> {
    const target = this.#changes;
    while (this.#saved < target) await (this.#saving ??= this.#write().finally(() => this.#saving = null));
  }

  /** Lets go of the lock. Writes nothing by itself, but a write under way comes to its end. Twice is safe. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#saving?.catch(() => {}); // whoever asked for it gets the error
    await this.#lock?.release();
  }

  async #write(): Promise<void> {
    const covered = this.#changes;
    if (this.path !== null) {
      try {
        await keepLast(this.path);
        await replaceFile(this.path, sealed(this.#render()));
      } catch (error) {
        throw new FatalError(`can't write the checkpoint file ${this.path}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
    this.#saved = covered;
  }

  #render(): string {
    const target = this.#target === null ? "" : ` "target": ${JSON.stringify(this.#target)},`;
    const source = JSON.stringify(this.#source);
    const head = `{\n  "version": ${VERSION}, "source": ${source}, "epoch": "${this.epoch}",${target}\n`;
    const lines = Array.from(
      this.#splits,
      ([split, entry]) => `    ${JSON.stringify(split)}: ${JSON.stringify(entry)}`,
    );
    return `${head}  "splits": {\n${lines.join(",\n")}\n  }}\n`;
  }
}

/**
 * What is committed in a checkpoint file now, while its owner goes on: takes no lock and changes nothing. Empty when there is
 * no file.
 *
 * @throws FatalError when it can't be read, or isn't a checkpoint file of this source.
 */
export async function readPositions(path: string, source: string): Promise<Map<SplitId, Position>> {
  const { splits } = await readContents(path, source) ?? emptyContents();
  return new Map([...splits].map(([split, { position }]) => [split, position]));
}

function lastOf(path: string): string {
  return `${path}.last`;
}

/** The file as it is gets a second name, before another one takes its place. */
async function keepLast(path: string): Promise<void> {
  const ignore = () => {}; // there is none yet, or the file system has no links
  await Deno.remove(lastOf(path)).catch(ignore);
  await Deno.link(path, lastOf(path)).catch(ignore);
}

function emptyContents(): Contents {
  return { epoch: 0n, target: null, splits: new Map() };
}

/** Null when there is no file yet. */
async function readContents(path: string, source: string): Promise<Contents | null> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new FatalError(`can't read the checkpoint file ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return parseContents(text, source);
  } catch (error) {
    const last = lastOf(path),
      copy = await Deno.readTextFile(last).then(
        (text) => parseContents(text, source) && `put back ${last}, as it was one write before,`,
      ).catch(() => "restore it from a copy,");
    throw new FatalError(
      `can't use the checkpoint file ${path}: ${(error as Error).message}. It says how far everything was read: ` +
        `${copy} or delete it to read everything again from the start (rows then come twice)`,
      { cause: error },
    );
  }
}

function parseContents(text: string, source: string): Contents {
  const root = parseSealed(text, FIELDS);
  if (root.version !== VERSION) throw new TypeError(`its version is ${root.version}, this collector knows ${VERSION}`);
  if (root.source !== source) throw new TypeError(`it belongs to the source "${root.source}", not to "${source}"`);
  if (typeof root.epoch !== "string" || !/^\d+$/.test(root.epoch)) throw new TypeError("its epoch isn't a number");
  if (!isObject(root.splits)) throw new TypeError("it has no splits");
  const splits = new Map<SplitId, SplitCheckpoint>();
  for (const [split, entry] of Object.entries(root.splits)) {
    if (!isObject(entry) || !isObject(entry.details)) throw new TypeError(`the entry of ${split} is damaged`);
    const { position } = entry;
    if (typeof position !== "string" || !POSITION.test(position)) {
      throw new TypeError(`the position of ${split} is damaged`);
    }
    splits.set(split, { position, details: entry.details as SplitDetails });
  }
  return { epoch: BigInt(root.epoch), target: typeof root.target === "string" ? root.target : null, splits };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
