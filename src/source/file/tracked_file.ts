import type { Position, SplitDetails, SplitId } from "../../records/position.ts";
import { type Compression, detectCompression } from "../../codecs/detect_compression.ts";
import { fileSplitId, type Head, headOf, type Peek } from "./identity.ts";
import type { FoundFile } from "./walk.ts";

/** A file's contents, from one truncation to the next, and how far they were read: what a split stands for. */
export class TrackedFile {
  readonly split: SplitId;
  readonly generation: number;
  birthMs: number | null;
  device: number;
  inode: number;
  head: Head;
  path: string;
  /** As it was last seen, in bytes; -1 when that isn't known. */
  size: number;
  mtimeMs: number;
  /** Undecided (null) until enough bytes are there. */
  compression: Compression | null = null;
  /** Stream offset up to which records were delivered; at the start of a run, the committed one. */
  delivered = 0;
  /** True when an earlier run has known it. */
  restored = false;
  /** The end that was reached: stream offset, and the file's size then. */
  end: { readonly position: number; readonly size: number } | null = null;
  /** No longer to be found: kept only so that it isn't taken for new should it come back. */
  gone = false;
  /** The size of what is in its place now, once its contents were truncated away. */
  sizeAfterTruncation: number | null = null;
  /** True when this run tells of what it held beyond `delivered`. */
  lost = false;
  /** True while a reader has it open. */
  open = false;
  /** True once the loop was told about it in this run. */
  assigned = false;
  /** The size at which it turned out that it can't be read any further; null when it can. */
  brokenAtSize: number | null = null;
  /** True when this run has looked into it, so that name and inode aren't all that speaks for its being the same. */
  verified = false;

  private constructor(
    split: SplitId,
    generation: number,
    { path, device, inode, birthMs, size, mtimeMs }: FoundFile,
    head: Head,
  ) {
    this.split = split;
    this.generation = generation;
    this.path = path;
    this.device = device;
    this.inode = inode;
    this.birthMs = birthMs;
    this.size = size;
    this.mtimeMs = mtimeMs;
    this.head = head;
  }

  static async discover(peek: Peek, generation: number): Promise<TrackedFile> {
    const split = await fileSplitId(peek, generation);
    const file = new TrackedFile(split, generation, peek.file, await headOf(peek.bytes));
    file.compression = detectCompression(peek.bytes);
    file.verified = true;
    return file;
  }

  /** From what `details` returned in an earlier run; null when it was something else. */
  static restore(split: SplitId, position: Position, details: SplitDetails): TrackedFile | null {
    const {
      path,
      device,
      inode,
      birthMs,
      generation,
      headByteLength,
      headHash,
      endPosition,
      endSize,
      gone,
      size,
      compression,
    } = details;
    if (typeof path !== "string" || typeof device !== "number" || typeof inode !== "number") return null;
    if (typeof generation !== "number" || typeof headByteLength !== "number" || typeof headHash !== "string") {
      return null;
    }
    const found = { path, device, inode, birthMs: typeof birthMs === "number" ? birthMs : null, size: -1, mtimeMs: 0 };
    const file = new TrackedFile(split, generation, found, { byteLength: headByteLength, hash: headHash });
    file.delivered = Number(position);
    if (typeof size === "number") file.size = size;
    if (compression === "gzip" || compression === "zstd") file.compression = compression;
    file.restored = true;
    if (typeof endPosition === "number" && typeof endSize === "number") {
      file.end = { position: endPosition, size: endSize };
    }
    file.gone = gone === true;
    return file;
  }

  /** What the checkpoint file keeps. */
  details(): SplitDetails {
    const { path, device, inode, birthMs, generation, head, end, gone, size } = this;
    return {
      path,
      device,
      inode,
      birthMs,
      generation,
      headByteLength: head.byteLength,
      headHash: head.hash,
      ...(size < 0 ? {} : { size }),
      ...(this.isPacked ? { compression: this.compression } : {}),
      ...(end === null ? {} : { endPosition: end.position, endSize: end.size }),
      ...(gone ? { gone } : {}),
    };
  }

  get inodeKey(): string {
    return `${this.device}:${this.inode}`;
  }

  get isPacked(): boolean {
    return this.compression !== null && this.compression !== "none";
  }

  /** Nothing was in it yet by which it could be told, and nothing is known of it from elsewhere. */
  get isBlank(): boolean {
    return this.compression === null && this.generation === 0 && !this.restored;
  }

  /**
   * Bytes that were seen in it beyond what was delivered, now that it is gone: 0 when it was read to its end; null when that
   * can't be told.
   */
  get missedByteLength(): number | null {
    if (this.end !== null && this.end.size === Math.max(this.size, this.end.size)) return 0;
    if (this.size < 0 || this.isPacked) return null;
    return Math.max(0, this.size - this.delivered);
  }

  /** The same contents are in another file by now, packed: they are read on from there. */
  becomePacked({ file, bytes }: Peek, head: Head): void {
    const { path, device, inode, birthMs, size, mtimeMs } = file;
    Object.assign(this, { path, device, inode, birthMs, size, mtimeMs, head, gone: false, verified: true });
    this.compression = detectCompression(bytes);
    this.end = null;
    this.brokenAtSize = null;
  }

  /** False when everything that was there at the last look has been delivered. */
  get hasUnread(): boolean {
    if (this.size === 0 || this.compression === null || this.size === this.brokenAtSize) return false;
    if (this.compression === "none") return this.size > this.delivered;
    return this.end === null || this.end.size !== this.size || this.delivered < this.end.position;
  }

  /** True when a file of this size can't hold what was read of it. */
  isShorter(size: number, delivered: number): boolean {
    if (this.compression === "none") return size < delivered;
    return size < (this.end?.size ?? this.head.byteLength);
  }
}
