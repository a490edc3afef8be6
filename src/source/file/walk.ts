/** What is below a directory, and what of it had to be left out. */
import { dirname } from "node:path";
import { FatalError } from "../../runtime/errors.ts";

/** Directory entries looked at in one search. */
const MAX_ENTRIES = 5_000_000;
/** What Deno puts in a name's place where its bytes aren't UTF-8; nothing can be opened by such a name. */
const REPLACEMENT = "\uFFFD";

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

/** Something that was asked for and isn't read. */
export interface Skipped {
  /** Absolute. */
  readonly path: string;
  /** A clause for people, with what to do. */
  readonly why: string;
  /**
   * wrong: it can't be what was meant (a directory); unreadable: it should be read, and may be one day; link: a symbolic link
   * that isn't followed; own: this collector writes it.
   */
  readonly kind: "wrong" | "unreadable" | "link" | "own";
}

/** What a search is told. */
export interface WalkRules {
  /** Names below the root: 1 finds the root's own entries only. */
  readonly maxDepth: number;
  /** Whether an absolute path, of something that is no directory, is looked for. */
  matches(path: string): boolean;
  /** Real paths of directories that this collector writes to; they, or the folders in the root if that is one, are left out. */
  readonly own: readonly string[];
  readonly followLinks: boolean;
}

interface Directory {
  readonly path: string;
  /** Without symbolic links. */
  readonly real: string;
  readonly depth: number;
  /** The real paths that links on the way here led away from, and this one. */
  readonly trail: readonly string[];
}

/** True when there is nothing under a path, or one of its directories is a file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** True for what the system says of a file (no rights, an input/output error), as opposed to what is in it. */
export function isSystemError(error: unknown): error is Error {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as { code?: unknown }).code));
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

/** What can't be read, as it is skipped. */
export function unreadable(path: string, error: unknown): Skipped {
  return { path, why: (error as Error).message, kind: "unreadable" };
}

/**
 * Paths below `root`, at most `maxDepth` names deep, that match. Directories that vanish meanwhile are none.
 *
 * @throws FatalError when there are so many names that the search can't be meant.
 */
export async function walk(root: string, rules: WalkRules): Promise<{ paths: string[]; skipped: Skipped[] }> {
  const paths: string[] = [];
  const skipped: Skipped[] = [];
  const first = await beginAt(root, skipped);
  const open: Directory[] = first === null ? [] : [first];
  let entries = 0;
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const entry of await listDirectory(directory.path, skipped)) {
      if (++entries > MAX_ENTRIES) throw new FatalError(`file.path: more than ${MAX_ENTRIES} names below ${root}`);
      const path = childOf(directory.path, entry.name);
      const below = await directoryAt(path, entry, { from: directory, rules, skipped });
      if (below !== null) open.push(below);
      else if (!entry.isDirectory && rules.matches(path)) await addFile(path, entry, rules, { paths, skipped });
    }
  }
  return { paths, skipped };
}

function childOf(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** Null when it isn't there. */
async function beginAt(root: string, skipped: Skipped[]): Promise<Directory | null> {
  try {
    const real = await Deno.realPath(root);
    return { path: root, real, depth: 1, trail: [real] };
  } catch (error) {
    if (!isMissing(error)) skipped.push(unreadable(root, error));
    return null;
  }
}

interface Step {
  readonly from: Directory;
  readonly rules: WalkRules;
  readonly skipped: Skipped[];
}

/** The directory to look into next; null when this is none, or is to be left out. */
async function directoryAt(path: string, entry: Deno.DirEntry, step: Step): Promise<Directory | null> {
  const { from, rules, skipped } = step;
  if (from.depth >= rules.maxDepth) return null;
  if (!entry.isDirectory && !(entry.isSymlink && rules.followLinks)) return null;
  const real = entry.isDirectory ? childOf(from.real, entry.name) : await linkedDirectory(path, step);
  if (real === null) return null;
  if (rules.own.some((own) => real === own || dirname(real) === own)) {
    skipped.push({ path, why: "this collector writes it", kind: "own" });
    return null;
  }
  const trail = entry.isDirectory ? from.trail : [...from.trail, from.real, real];
  return { path, real, depth: from.depth + 1, trail };
}

/** The real path of the directory that a link leads to; null when it is none. What is wrong with it is noted if it is a circle. */
async function linkedDirectory(path: string, { from, skipped }: Step): Promise<string | null> {
  try {
    if (!(await Deno.stat(path)).isDirectory) return null;
    const real = await Deno.realPath(path);
    if (![...from.trail, from.real].some((place) => place === real || place.startsWith(`${real}/`))) return real;
    skipped.push({ path, why: "the symbolic link leads back to where it is", kind: "link" });
  } catch (error) {
    if (!isSystemError(error)) throw error; // it leads nowhere: said where its name matches
  }
  return null;
}

async function addFile(
  path: string,
  { isSymlink }: Deno.DirEntry,
  { followLinks }: WalkRules,
  { paths, skipped }: { paths: string[]; skipped: Skipped[] },
): Promise<void> {
  if (path.includes(REPLACEMENT)) {
    skipped.push({ path, why: "its name isn't UTF-8: rename it", kind: "unreadable" });
  } else if (!isSymlink) {
    paths.push(path);
  } else if (!followLinks) {
    skipped.push({ path, why: "it is a symbolic link: file.follow-links=true follows them", kind: "link" });
  } else {
    const problem = await linkProblem(path);
    if (problem === null) paths.push(path);
    else skipped.push(problem);
  }
}

/** Null when the link leads somewhere. */
async function linkProblem(path: string): Promise<Skipped | null> {
  try {
    await Deno.stat(path);
    return null;
  } catch (error) {
    if (isMissing(error)) return { path, why: "the symbolic link leads nowhere", kind: "link" };
    if (error instanceof Deno.errors.FilesystemLoop) {
      return { path, why: "the symbolic link leads to itself", kind: "link" };
    }
    return unreadable(path, error);
  }
}

/** The names in a directory; none when it isn't there or can't be read, which is noted. */
export async function listDirectory(path: string, skipped: Skipped[]): Promise<Deno.DirEntry[]> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(path)) entries.push(entry);
  } catch (error) {
    if (!isMissing(error)) skipped.push(unreadable(path, error));
  }
  return entries;
}
