import { dirname, join, resolve } from "node:path";
import picomatch from "picomatch";
import { FatalError } from "../../runtime/errors.ts";

/** The items of `file.path` that aren't files. */
export const STANDARD_INPUT = "-";
export const SAMPLE = "sample:";

/** More files than this at a time are refused: the glob is then surely wrong. */
export const MAX_FILES = 100_000;
/** Directory entries looked at in one search. */
const MAX_ENTRIES = 5_000_000;
const STATS_AT_A_TIME = 32;

/** A regular file, as it was when it was looked at. */
export interface FoundFile {
  /** Absolute. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** When it was made, epoch ms; null where the file system doesn't know. */
  readonly birthMs: number | null;
  readonly size: number;
  readonly mtimeMs: number;
}

interface Pattern {
  readonly text: string;
  /** The text as an absolute path: a file may really be called "events[1].json". */
  readonly literal: string;
  /** Null for a plain path. `base` is the directory (absolute) where the search starts. */
  readonly glob: { readonly base: string; readonly maxDepth: number; matches(path: string): boolean } | null;
}

/** What `file.path` names: standard input, the sample events, files. */
export class Paths {
  readonly standardInput: boolean;
  readonly sample: boolean;
  readonly #patterns: readonly Pattern[];

  /** @param items the value of `file.path`, one path or glob each. */
  constructor(items: readonly string[]) {
    this.standardInput = items.includes(STANDARD_INPUT);
    this.sample = items.includes(SAMPLE);
    this.#patterns = items.filter((item) => item !== STANDARD_INPUT && item !== SAMPLE).map(parsePattern);
  }

  get hasFiles(): boolean {
    return this.#patterns.length > 0;
  }

  /** True when an absolute path is one that was asked for, whether or not it exists. */
  matches(path: string): boolean {
    return this.#patterns.some(({ literal, glob }) => path === literal || (glob?.matches(path) ?? false));
  }

  /**
   * The files that exist now, oldest modification first, each once (by device and inode).
   *
   * @throws FatalError for a path that can't be read, or isn't a regular file, or too many files.
   */
  async find(): Promise<{ files: FoundFile[]; missing: string[] }> {
    const byInode = new Map<string, FoundFile>();
    const missing: string[] = [];
    for (const pattern of this.#patterns) {
      const found = await findPattern(pattern);
      if (found.length === 0) missing.push(pattern.text);
      for (const file of found) {
        const key = `${file.device}:${file.inode}`;
        if (!byInode.has(key)) byInode.set(key, file);
      }
      if (byInode.size > MAX_FILES) throw new FatalError(`file.path names more than ${MAX_FILES} files: narrow it`);
    }
    const files = [...byInode.values()];
    return { files: files.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : 1)), missing };
  }

  /** The plain paths (not globs) among `texts`, which `find` reported as missing. */
  plain(texts: readonly string[]): string[] {
    return this.#patterns.filter(({ text, glob }) => glob === null && texts.includes(text)).map(({ text }) => text);
  }
}

function parsePattern(text: string): Pattern {
  const { base, isGlob, glob } = picomatch.scan(text);
  const literal = resolve(text);
  if (!isGlob) return { text, literal, glob: null };
  const root = resolve(base);
  const below = root === "/" ? "/" : `${root}/`;
  const matchesBelow = picomatch(glob);
  const matches = (path: string) => path.startsWith(below) && matchesBelow(path.slice(below.length));
  const maxDepth = glob.includes("**") ? Infinity : glob.split("/").length;
  return { text, literal, glob: { base: root, maxDepth, matches } };
}

/** True when there is nothing under a path, or one of its directories is a file. */
function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

async function findPattern({ text, literal, glob }: Pattern): Promise<FoundFile[]> {
  if (glob === null) return await statPlain(text, literal);
  const exact = await statFile(literal);
  const files: FoundFile[] = exact === null ? [] : [exact];
  const paths = await walk(glob.base, glob.maxDepth, glob.matches);
  for (let i = 0; i < paths.length; i += STATS_AT_A_TIME) {
    const some = await Promise.all(paths.slice(i, i + STATS_AT_A_TIME).map(statFile));
    for (const file of some) if (file !== null) files.push(file);
  }
  return files;
}

async function statPlain(text: string, path: string): Promise<FoundFile[]> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new FatalError(`file.path: can't read ${text}: ${(error as Error).message}`, { cause: error });
  }
  if (info.isDirectory) throw new FatalError(`file.path: ${text} is a directory: write ${text.replace(/\/$/, "")}/*`);
  if (!info.isFile) throw new FatalError(`file.path: ${text} isn't a regular file: feed it to standard input ("-")`);
  return [foundFile(path, info)];
}

/** Null unless `path` is a regular file (or a link to one) now. */
export async function statFile(path: string): Promise<FoundFile | null> {
  try {
    const info = await Deno.stat(path);
    return info.isFile ? foundFile(path, info) : null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw new FatalError(`file.path: can't read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** `info` as it was found under `path`. */
export function foundFile(path: string, info: Deno.FileInfo): FoundFile {
  return {
    path,
    device: info.dev,
    inode: info.ino ?? 0,
    birthMs: info.birthtime?.getTime() ?? null,
    size: info.size,
    mtimeMs: info.mtime?.getTime() ?? 0,
  };
}

/**
 * Paths below `root`, at most `maxDepth` names deep, that match. Links to directories are followed unless the depth is
 * unlimited, where they could form a circle. Directories that vanish meanwhile are skipped.
 */
async function walk(root: string, maxDepth: number, matches: (path: string) => boolean): Promise<string[]> {
  const found: string[] = [];
  const open: { path: string; depth: number }[] = [{ path: root, depth: 1 }];
  let entries = 0;
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    const { path, depth } = directory;
    for (const entry of await listDirectory(path)) {
      const child = path === "/" ? `/${entry.name}` : `${path}/${entry.name}`;
      if (++entries > MAX_ENTRIES) throw new FatalError(`file.path: more than ${MAX_ENTRIES} names below ${root}`);
      if (!entry.isDirectory && matches(child)) found.push(child);
      const enter = entry.isDirectory || (entry.isSymlink && maxDepth !== Infinity && await isDirectory(child));
      if (enter && depth < maxDepth) open.push({ path: child, depth: depth + 1 });
    }
  }
  return found;
}

async function listDirectory(path: string): Promise<Deno.DirEntry[]> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(path)) entries.push(entry);
  } catch (error) {
    if (isMissing(error)) return entries;
    throw new FatalError(`file.path: can't list ${path}: ${(error as Error).message}`, { cause: error });
  }
  return entries;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Where files went that are no longer under their paths: to another name in the same directory, as in a rotation. Good
 * for one search: each directory is listed once.
 */
export class RenamedFiles {
  readonly #byDirectory = new Map<string, Map<string, FoundFile>>();

  /** The file under its new name; null when its directory doesn't have it. */
  async find({ path, device, inode }: Pick<FoundFile, "path" | "device" | "inode">): Promise<FoundFile | null> {
    const directory = dirname(path);
    let files = this.#byDirectory.get(directory);
    if (files === undefined) {
      files = await filesByInode(directory);
      this.#byDirectory.set(directory, files);
    }
    return files.get(`${device}:${inode}`) ?? null;
  }
}

async function filesByInode(directory: string): Promise<Map<string, FoundFile>> {
  const byInode = new Map<string, FoundFile>();
  const names = (await listDirectory(directory)).filter(({ isFile }) => isFile).map(({ name }) => name);
  for (let i = 0; i < names.length; i += STATS_AT_A_TIME) {
    const paths = names.slice(i, i + STATS_AT_A_TIME).map((name) => join(directory, name));
    for (const file of await Promise.all(paths.map(statFile))) {
      if (file !== null) byInode.set(`${file.device}:${file.inode}`, file);
    }
  }
  return byInode;
}
