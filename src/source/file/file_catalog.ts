/**
 * Which files there are, and which of them are old acquaintances.
 *
 *     found under a path --- inode unknown ------------------------> new file, generation 0
 *                        \-- inode known --- same birth, same head, not shorter --> the same, under whatever name
 *                                        \-- same birth, but shorter or another head --> truncated: generation + 1
 *                                        \-- another birth --------> the inode was used again: a new file
 *     known, not found ----- its inode under another name beside --> renamed: read on
 *                        \-- its contents in a new packed file -----> packed: read on there
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
import { type Paths, statFile } from "./paths.ts";
import type { RenamedFiles } from "./renamed_files.ts";
import { type FoundFile, isSystemError, type Skipped, unreadable } from "./walk.ts";
import { LeftOut } from "./left_out.ts";
import { packedFrom } from "./packed_again.ts";
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
  /** What was asked for and isn't read. */
  readonly skipped: readonly Skipped[];
}

export class FileCatalog {
  /** What can't be read; readers add to it. */
  readonly leftOut: LeftOut;
  /** Files whose contents are gone, known to have held more than was delivered; whoever tells of that takes them out. */
  readonly lost: TrackedFile[] = [];
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
  /** Packed files of which the last scan could not tell whether they are old acquaintances: their sizes, by inode. */
  #undecided = new Map<string, number>();

  constructor(paths: Paths, checkpoints: CheckpointFile, { runtime, follow }: { runtime: Runtime; follow: boolean }) {
    this.#paths = paths;
    this.#checkpoints = checkpoints;
    this.#runtime = runtime;
    this.#follow = follow;
    this.leftOut = new LeftOut(runtime);
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
    const ready = (file: TrackedFile) =>
      file.verified && !file.gone && file.hasUnread && !this.leftOut.rests(file.path);
    return [...this.#bySplit.values()].filter(ready);
  }

  /** Looks which files there are now. What was replaced is known to the checkpoint file, durably, when it resolves. */
  async scan(): Promise<ScanResult> {
    const deliveredBefore = new Map<TrackedFile, number>();
    for (const file of this.#bySplit.values()) if (!file.gone) deliveredBefore.set(file, file.delivered);
    const { files, missing, skipped } = await this.#paths.find();
    const seen = new Set<TrackedFile>();
    const replaced: TrackedFile[] = [];
    const packed: Peek[] = [];
    for (const found of files) {
      const known = this.#byInode.get(`${found.device}:${found.inode}`) ?? this.#onOtherDevice(found);
      if (known !== undefined) seen.add(known);
      await this.#unlessUnreadable(found, async () => {
        if (known !== undefined && isReborn(known, found)) {
          this.#bury(known);
          replaced.push(known);
          return await this.#meet(found, undefined, { seen, packed });
        }
        if (known === undefined || known.isBlank) return await this.#meet(found, known, { seen, packed });
        const now = await this.#lookAgain(known, found, deliveredBefore.get(known) ?? known.delivered);
        if (now === known) return;
        seen.add(now);
        replaced.push(known);
      });
    }
    await this.#meetPacked(packed, seen);
    for (const skip of skipped) this.leftOut.note(skip);
    this.leftOut.searched();
    if (replaced.length > 0) await this.#checkpoints.save();
    const hidden = skipped.filter(({ kind }) => kind === "unreadable").map(({ path }) => path);
    const vanished = [...deliveredBefore.keys()].filter((file) =>
      !seen.has(file) && !file.gone && !this.#outside.has(file) && !isBelow(file.path, hidden)
    );
    return { replaced, vanished, missing, skipped };
  }

  /** As `scan`, for these files alone, as far as they are still under their names. Returns those that were replaced. */
  async lookAt(files: readonly TrackedFile[]): Promise<TrackedFile[]> {
    const replaced: TrackedFile[] = [];
    for (const file of files) {
      const { delivered } = file;
      const found = await statFile(file.path).catch(() => null);
      if (found === null || !isSameInode(file, found)) continue; // the next scan finds out
      await this.#unlessUnreadable(found, async () => {
        if (await this.#lookAgain(file, found, delivered) !== file) replaced.push(file);
      });
    }
    if (replaced.length > 0) await this.#checkpoints.save();
    return replaced;
  }

  /** Does what opens the file, unless it could not be opened a short while ago. */
  async #unlessUnreadable({ path }: FoundFile, look: () => Promise<void>): Promise<void> {
    if (this.leftOut.rests(path)) return;
    try {
      await look();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.leftOut.note(unreadable(path, error));
    }
  }

  /** A file of an inode that isn't known, or was empty until now. */
  async #meet(
    found: FoundFile,
    blank: TrackedFile | undefined,
    { seen, packed }: { seen: Set<TrackedFile>; packed: Peek[] },
  ): Promise<void> {
    const first = await peek(found);
    if (first === null) return;
    this.leftOut.read(found.path);
    if ((detectCompression(first.bytes) ?? "none") === "none") {
      if (blank === undefined) seen.add(await this.#discover(first, 0));
      else await this.#update(blank, first);
      return;
    }
    if (blank !== undefined) this.#drop(blank);
    packed.push(first);
  }

  /** Packed files of inodes that aren't known: new ones, and those whose contents were read before they were packed. */
  async #meetPacked(packed: readonly Peek[], seen: Set<TrackedFile>): Promise<void> {
    const undecided = new Map<string, number>();
    const known = packed.length === 0 ? [] : [...this.#bySplit.values()];
    const isThere = (file: TrackedFile) => this.#follow && seen.has(file) && !file.gone;
    for (const look of packed) {
      const { file } = look, key = `${file.device}:${file.inode}`;
      await this.#unlessUnreadable(file, async () => {
        const origin = await packedFrom(look, known, isThere);
        const waits = origin === "packing" ||
          (origin === "undecided" && this.#follow && this.#undecided.get(key) !== file.size);
        if (waits) return void undecided.set(key, file.size);
        seen.add(
          origin === null || typeof origin === "string"
            ? await this.#discover(look, 0)
            : await this.#repack(origin, look),
        );
      });
    }
    this.#undecided = undecided;
  }

  /** The contents of a file that is gone go on in another, packed. */
  async #repack(file: TrackedFile, look: Peek): Promise<TrackedFile> {
    const from = file.path;
    if (this.#byInode.get(file.inodeKey) === file) this.#byInode.delete(file.inodeKey);
    file.becomePacked(look, await headOf(look.bytes));
    this.#byInode.set(file.inodeKey, file);
    this.#gone.delete(file);
    this.save(file);
    const { split, path, delivered } = file;
    this.#runtime.log.info("a file was packed: going on in it where it was", { split, from, path, delivered });
    return file;
  }

  /**
   * Searches a vanished file that isn't open. True when there is something to read: it was renamed, and has data. Else it
   * is gone (or nobody asks for it any more) and won't be reported again.
   */
  async locate(file: TrackedFile, renamedFiles: RenamedFiles): Promise<boolean> {
    const atPath = await statFile(file.path).catch(() => null);
    if (!this.#paths.matches(file.path) || (atPath !== null && isSameInode(file, atPath))) {
      this.#outside.add(file);
      return false;
    }
    const renamed = await renamedFiles.find(file);
    const look = renamed === null ? null : await peek(renamed);
    if (look !== null && !isReborn(file, look.file) && await this.#isSame(file, look, file.delivered)) {
      await this.#update(file, look);
      if (file.hasUnread) return true;
    } else return this.#bury(file);
    this.markGone(file);
    return false;
  }

  /** It is nowhere any more. */
  #bury(file: TrackedFile): false {
    if (file.missedByteLength !== 0 && !file.gone) {
      this.#warnOfLoss("a file is gone that was not read to its end; what it held beyond that can't be read", file);
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

  /** Says what became of contents that were truncated away, once nothing more of them will be delivered. */
  warnOfTruncation(file: TrackedFile): void {
    this.#warnOfLoss("a file was truncated or rewritten: reading it from its beginning", file);
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
      this.#runtime.log.debug("new file", { path: file.path, split: file.split, size: file.size });
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
    this.leftOut.read(found.path);
    if (await this.#isSame(known, look, delivered)) {
      known.gone = false;
      this.#gone.delete(known);
      await this.#update(known, look);
      return known;
    }
    known.sizeAfterTruncation = look.file.size;
    // Its reader may have more of it than was delivered: then it is told when that was.
    if (!known.open) this.warnOfTruncation(known);
    else this.#runtime.log.debug("a file was truncated while it is read", { split: known.split, path: known.path });
    this.markGone(known);
    const successor = await this.#discover(look, known.generation + 1);
    // Kept from now on, even if it is empty: the old contents may be written again, and are others then.
    this.#checkpoints.add(successor.split, { position: "0", details: successor.details() });
    return successor;
  }

  async #isSame(known: TrackedFile, { file, bytes }: Peek, delivered: number): Promise<boolean> {
    known.compression ??= detectCompression(bytes);
    return !known.isShorter(file.size, delivered) && await beginsWith(bytes, known.head);
  }

  async #update(known: TrackedFile, { file, bytes }: Peek): Promise<void> {
    known.compression ??= detectCompression(bytes);
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
      if (file.lost) continue; // its gap has still to be committed
      const checkpoint = this.#checkpoints.get(file.split);
      if (checkpoint !== undefined && checkpoint.position !== String(file.delivered)) continue; // may still be committed
      this.#drop(file);
    }
  }

  #drop(file: TrackedFile): void {
    this.#checkpoints.forget(file.split);
    this.#gone.delete(file);
    this.#bySplit.delete(file.split);
    if (this.#byInode.get(file.inodeKey) === file) this.#byInode.delete(file.inodeKey);
  }

  #warnOfLoss(message: string, file: TrackedFile): void {
    const { split, path, size, delivered, missedByteLength } = file;
    if ((missedByteLength ?? 0) > 0) {
      file.lost = true;
      this.lost.push(file);
    }
    this.#runtime.log.warn(message, {
      ...{ split, path, lastSize: size < 0 ? undefined : size, readBytes: delivered },
      ...{ missedBytes: missedByteLength ?? undefined, newSize: file.sizeAfterTruncation ?? undefined },
    });
  }
}

/** Whether it is one of these, or in one of them. */
function isBelow(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

/** Whether its inode was used again. */
function isReborn(known: TrackedFile, { birthMs }: FoundFile): boolean {
  return known.birthMs !== null && birthMs !== null && known.birthMs !== birthMs;
}

function isSameInode(file: TrackedFile, found: FoundFile): boolean {
  return file.device === found.device && file.inode === found.inode && !isReborn(file, found);
}
