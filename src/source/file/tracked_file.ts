import type { Position, SplitDetails, SplitId } from "../../records/position.ts";
import { type Compression, detectCompression } from "../../codecs/detect_compression.ts";
import { fileSplitId, type Head, headOf, type Peek } from "./identity.ts";
import type { FoundFile } from "./paths.ts";

/** A file's contents, from one truncation to the next, and how far they were read: what a split stands for. */
export class TrackedFile {
  readonly split: SplitId;
  readonly generation: number;
  readonly birthMs: number | null;
  device: number;
  readonly inode: number;
  head: Head;
  path: string;
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
    const { path, device, inode, birthMs, generation, headByteLength, headHash, endPosition, endSize, gone } = details;
    if (typeof path !== "string" || typeof device !== "number" || typeof inode !== "number") return null;
    if (typeof generation !== "number" || typeof headByteLength !== "number" || typeof headHash !== "string") {
      return null;
    }
    const found = { path, device, inode, birthMs: typeof birthMs === "number" ? birthMs : null, size: 0, mtimeMs: 0 };
    const file = new TrackedFile(split, generation, found, { byteLength: headByteLength, hash: headHash });
    file.delivered = Number(position);
    file.restored = true;
    if (typeof endPosition === "number" && typeof endSize === "number") {
      file.end = { position: endPosition, size: endSize };
    }
    file.gone = gone === true;
    return file;
  }

  /** What the checkpoint file keeps. */
  details(): SplitDetails {
    const { path, device, inode, birthMs, generation, head, end, gone } = this;
    return {
      path,
      device,
      inode,
      birthMs,
      generation,
      headByteLength: head.byteLength,
      headHash: head.hash,
      ...(end === null ? {} : { endPosition: end.position, endSize: end.size }),
      ...(gone ? { gone } : {}),
    };
  }

  get inodeKey(): string {
    return `${this.device}:${this.inode}`;
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
