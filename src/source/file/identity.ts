import { toHex } from "../../runtime/hex.ts";
import { basename } from "node:path";
import type { SplitId } from "../../records/position.ts";
import { readFully } from "../../codecs/byte_stream.ts";
import { type FoundFile, foundFile } from "./walk.ts";

/** How many bytes at a file's beginning tell its contents from others'. */
export const HEAD_BYTE_LENGTH = 256;
const ID_BYTE_LENGTH = 6;

/** The first bytes of a file (up to HEAD_BYTE_LENGTH of them), as their SHA-256's first 6 bytes in hex. */
export interface Head {
  readonly byteLength: number;
  readonly hash: string;
}

/** A look into a file. */
export interface Peek {
  readonly file: FoundFile;
  /** The first bytes, at most HEAD_BYTE_LENGTH. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Reads the beginning of the file; null when it is gone, or another file is under its path by now. */
export async function peek({ path, device, inode }: FoundFile): Promise<Peek | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    const info = await file.stat();
    if (info.dev !== device || (info.ino ?? 0) !== inode) return null;
    const bytes = new Uint8Array(HEAD_BYTE_LENGTH);
    const byteLength = await readFully(file, bytes);
    return { file: foundFile(path, info), bytes: bytes.slice(0, byteLength) };
  } finally {
    file.close();
  }
}

async function shortHash(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes), 0, ID_BYTE_LENGTH);
  return toHex(digest);
}

export async function headOf(bytes: Uint8Array<ArrayBuffer>): Promise<Head> {
  return { byteLength: bytes.length, hash: await shortHash(bytes) };
}

/** True when the file still begins as it did when `head` was taken. */
export async function beginsWith(bytes: Uint8Array<ArrayBuffer>, head: Head): Promise<boolean> {
  if (bytes.length < head.byteLength) return false;
  return await shortHash(bytes.slice(0, head.byteLength)) === head.hash;
}

/**
 * The split's name: the file's name, and 12 hex digits from what makes these contents these: device, inode, time of
 * birth, how often it was truncated, first bytes. Objects are named by it, so other contents must never get the same.
 */
export async function fileSplitId({ file, bytes }: Peek, generation: number): Promise<SplitId> {
  const { device, inode, birthMs } = file;
  const text = new TextEncoder().encode(`${device}:${inode}:${birthMs ?? ""}:${generation}:`);
  const all = new Uint8Array(text.length + bytes.length);
  all.set(text);
  all.set(bytes, text.length);
  return `${basename(file.path)}/${await shortHash(all)}`;
}

/** A name for contents that are no file. */
export async function contentSplitId(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<SplitId> {
  return `${name}/${await shortHash(bytes)}`;
}
