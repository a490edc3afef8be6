/**
 * Which files there are, and which of them are old acquaintances.
 *
 *     found under a path --- inode unknown ------------------------> new file, generation 0
 *                        \-- inode known --- same birth, same head, not shorter --> the same, under whatever name
 *                                        \-- same birth, but shorter or another head --> truncated: generation + 1
 *                                        \-- another birth --------> the inode was used again: a new file
 *     known, not found ----- its inode under another name beside --> renamed: read on
 *                        \-- nowhere ------------------------------> gone
 *
 * A file that is truncated and has grown beyond the place we had reached before the next scan, with the same first
 * bytes, can't be told from one that grew. Rotation by renaming has no such gap.
 */
import type { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { SplitId } from "../../records/position.ts";
import { detectCompression } from "../../codecs/detect_compression.ts";
import { beginsWith, HEAD_BYTE_LENGTH, headOf, type Peek, peek } from "./identity.ts";
import { type FoundFile, type Paths, type RenamedFiles, statFile } from "./paths.ts";
import { TrackedFile } from "./tracked_file.ts";

/** Files that are gone are remembered up to this number, in case they come back; then the oldest are forgotten. */
const MAX_GONE_FILES = 10_000;

/** What a scan found out. */
export interface ScanResult {
  /** Contents that were truncated away or replaced under the same inode. */
  readonly replaced: readonly TrackedFile[];
  /** Not found under any of the paths, though they were known. */
  readonly vanished: readonly TrackedFile[];
  /** Items of `file.path` that matched nothing. */
  readonly missing: readonly string[];
}

export class FileCatalog {
  readonly #paths: Paths;
  readonly #checkpoints: CheckpointFile;
  readonly #runtime: Runtime;
  readonly #follow: boolean;
  readonly #bySplit = new Map<SplitId, TrackedFile>();
  readonly #byInode = new Map<string, TrackedFile>();
  /** Files of the checkpoint that no scan has seen yet in this run. */
  readonly #restoredByPath = new Map<string, TrackedFile>();
  /** In the order in which they went. */
  readonly #gone = new Set<TrackedFile>();
  /** Files of the checkpoint that exist but that nobody asks for any more. */
  readonly #outside = new Set<TrackedFile>();

  constructor(paths: Paths, checkpoints: CheckpointFile, { runtime, follow }: { runtime: Runtime; follow: boolean }) {
    this.#paths = paths;
    this.#checkpoints = checkpoints;
    this.#runtime = runtime;
    this.#follow = follow;
    for (const [split, { position, details }] of checkpoints.splits()) {
      const file = TrackedFile.restore(split, position, details);
      if (file === null) continue;
      this.#add(file);
      this.#restoredByPath.set(file.path, file);
      if (file.gone) this.#gone.add(file);
    }
  }

  get(split: SplitId): TrackedFile | undefined {
    return this.#bySplit.get(split);
  }

  /** Files with data to read, in the order in which they were found. */
  unread(): TrackedFile[] {
    return [...this.#bySplit.values()].filter((file) => file.verified && !file.gone && file.hasUnread);
  }

  /** Looks which files there are now. What was replaced is known to the checkpoint file, durably, when it resolves. */
  async scan(): Promise<ScanResult> {
    const deliveredBefore = new Map<TrackedFile, number>();
    for (const file of this.#bySplit.values()) if (!file.gone) deliveredBefore.set(file, file.delivered);
    const { files, missing } = await this.#paths.find();
    const seen = new Set<TrackedFile>();
    const replaced: TrackedFile[] = [];
    for (const found of files) {
      const known = this.#byInode.get(`${found.device}:${found.inode}`) ?? this.#onOtherDevice(found);
      if (known === undefined) {
        const first = await peek(found);
        if (first !== null) seen.add(await this.#discover(first, 0));
        continue;
      }
      seen.add(known);
      const successor = await this.#lookAgain(known, found, deliveredBefore.get(known) ?? known.delivered);
      if (successor === known) continue;
      seen.add(successor);
      replaced.push(known);
    }
    if (replaced.length > 0) await this.#checkpoints.save();
    const vanished = [...deliveredBefore.keys()].filter((file) =>
      !seen.has(file) && !file.gone && !this.#outside.has(file)
    );
    return { replaced, vanished, missing };
  }

  /**
   * Searches a vanished file that isn't open. True when there is something to read: it was renamed, and has data. Else it
   * is gone (or nobody asks for it any more) and won't be reported again.
   */
  async locate(file: TrackedFile, renamedFiles: RenamedFiles): Promise<boolean> {
    const atPath = await statFile(file.path);
    if (!this.#paths.matches(file.path) || (atPath !== null && isSameInode(file, atPath))) {
      this.#outside.add(file);
      return false;
    }
    const renamed = await renamedFiles.find(file);
    const look = renamed === null ? null : await peek(renamed);
    if (look !== null && await this.#isSame(file, look, file.delivered)) {
      await this.#update(file, look);
      if (file.hasUnread) return true;
    } else if (file.verified && file.hasUnread) {
      this.#warn("a file was deleted before it was read to its end", file);
    } else if (file.end === null) {
      this.#warn("a file of the checkpoint is gone; what it held beyond its position can't be read", file);
    }
    this.markGone(file);
    return false;
  }

  /** The file is done with: it is kept only so that it isn't taken for new should it come back. */
  markGone(file: TrackedFile): void {
    file.gone = true;
    this.#gone.add(file);
    this.save(file);
    this.#forgetOldest();
  }

  /** Has the checkpoint file keep what is known now of a file, if it is in it. Durable with the next commit. */
  save(file: TrackedFile): void {
    this.#checkpoints.describe(file.split, file.details());
  }

  async #discover(first: Peek, leastGeneration: number): Promise<TrackedFile> {
    for (let generation = leastGeneration;; generation++) {
      const file = await TrackedFile.discover(first, generation);
      if (this.#bySplit.has(file.split)) continue;
      if (!this.#follow) file.compression ??= "none";
      this.#add(file);
      return file;
    }
  }

  /** The same file, brought up to date, or the one that has taken its place under the same inode. */
  async #lookAgain(known: TrackedFile, found: FoundFile, delivered: number): Promise<TrackedFile> {
    known.path = found.path;
    this.#outside.delete(known);
    if (known.verified && !known.gone && known.size === found.size && known.mtimeMs === found.mtimeMs) return known;
    const look = await peek(found);
    if (look === null) return known; // replaced while we looked: the next scan finds out
    if (await this.#isSame(known, look, delivered)) {
      known.gone = false;
      this.#gone.delete(known);
      await this.#update(known, look);
      return known;
    }
    const truncated = known.birthMs === look.file.birthMs;
    if (truncated) this.#warn("a file was truncated or rewritten: reading it from its beginning", known);
    this.markGone(known);
    const successor = await this.#discover(look, truncated ? known.generation + 1 : 0);
    // Kept from now on, even if it is empty: the old contents may be written again, and are others then.
    this.#checkpoints.add(successor.split, { position: "0", details: successor.details() });
    return successor;
  }

  async #isSame(known: TrackedFile, { file, bytes }: Peek, delivered: number): Promise<boolean> {
    if (known.birthMs !== null && file.birthMs !== null && known.birthMs !== file.birthMs) return false;
    known.compression ??= detectCompression(bytes);
    return !known.isShorter(file.size, delivered) && await beginsWith(bytes, known.head);
  }

  async #update(known: TrackedFile, { file, bytes }: Peek): Promise<void> {
    known.path = file.path;
    known.device = file.device;
    known.size = file.size;
    known.mtimeMs = file.mtimeMs;
    known.verified = true;
    if (!this.#follow) known.compression ??= "none";
    if (known.head.byteLength < Math.min(bytes.length, HEAD_BYTE_LENGTH)) known.head = await headOf(bytes);
    this.save(known);
  }

  /** Device numbers may change when the machine starts again; path, inode and birth are enough, then the head decides. */
  #onOtherDevice(found: FoundFile): TrackedFile | undefined {
    const file = this.#restoredByPath.get(found.path);
    if (file === undefined || file.verified || file.inode !== found.inode) return undefined;
    if (file.birthMs === null || file.birthMs !== found.birthMs || file.head.byteLength === 0) return undefined;
    this.#byInode.delete(file.inodeKey);
    file.device = found.device;
    this.#byInode.set(file.inodeKey, file);
    return file;
  }

  #add(file: TrackedFile): void {
    this.#bySplit.set(file.split, file);
    this.#byInode.set(file.inodeKey, file);
  }

  #forgetOldest(): void {
    for (const file of this.#gone) {
      if (this.#gone.size <= MAX_GONE_FILES) return;
      const checkpoint = this.#checkpoints.get(file.split);
      if (checkpoint !== undefined && checkpoint.position !== String(file.delivered)) continue; // may still be committed
      this.#checkpoints.forget(file.split);
      this.#gone.delete(file);
      this.#bySplit.delete(file.split);
      if (this.#byInode.get(file.inodeKey) === file) this.#byInode.delete(file.inodeKey);
    }
  }

  #warn(message: string, { split, path, size, delivered }: TrackedFile): void {
    this.#runtime.log.warn(message, { split, path, size, delivered });
  }
}

function isSameInode(file: TrackedFile, found: FoundFile): boolean {
  return file.device === found.device && file.inode === found.inode;
}
