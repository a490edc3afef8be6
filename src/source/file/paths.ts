import { basename, resolve } from "node:path";
import picomatch from "picomatch";
import { FatalError } from "../../runtime/errors.ts";
import { type FoundFile, foundFile, isMissing, type Skipped, unreadable, walk, type WalkRules } from "./walk.ts";

/** The items of `file.path` that aren't files. */
export const STANDARD_INPUT = "-";
export const SAMPLE = "sample:";

/** More files than this at a time are refused: the glob is then surely wrong. */
export const MAX_FILES = 100_000;
/** Looks at files that are under way together. */
export const STATS_AT_A_TIME = 32;

interface Pattern {
  readonly text: string;
  /** The text as an absolute path: a file may really be called "events[1].json". */
  readonly literal: string;
  /** Null for a plain path. `base` is the directory (absolute) where the search starts. */
  readonly glob: { readonly base: string; readonly maxDepth: number; matches(path: string): boolean } | null;
}

/** What `find` found. */
export interface Found {
  readonly files: FoundFile[];
  /** Items that nothing is there for. */
  readonly missing: string[];
  /** What was asked for and isn't read, each path once. */
  readonly skipped: Skipped[];
}

export interface PathsOptions {
  /** The value of `file.exclude`: globs of absolute paths, or of names where they have no "/". */
  readonly exclude?: readonly string[];
  /** Whether links that globs find are followed; plain paths may always be links. */
  readonly followLinks?: boolean;
  /** Directories that this collector writes to; globs leave them out. */
  readonly ownDirectories?: readonly string[];
  /** Files that it writes, as absolute paths; globs leave them out. */
  readonly ownFiles?: readonly string[];
}

/** What `file.path` names: standard input, the sample events, files. */
export class Paths {
  readonly standardInput: boolean;
  readonly sample: boolean;
  readonly #patterns: readonly Pattern[];
  readonly #options: PathsOptions;

  /** @param items the value of `file.path`, one path or glob each. */
  constructor(items: readonly string[], options: PathsOptions = {}) {
    const { exclude = [], ownFiles = [] } = options;
    this.standardInput = items.includes(STANDARD_INPUT);
    this.sample = items.includes(SAMPLE);
    const excluded = [...exclude.map(excluder), (path: string) => ownFiles.includes(path)];
    this.#patterns = items.filter((item) => item !== STANDARD_INPUT && item !== SAMPLE)
      .map((item) => parsePattern(item, (path) => excluded.some((matches) => matches(path))));
    this.#options = options;
  }

  get hasFiles(): boolean {
    return this.#patterns.length > 0;
  }

  /** True when an absolute path is one that was asked for, whether or not it exists. */
  matches(path: string): boolean {
    return this.#patterns.some(({ literal, glob }) => path === literal || (glob?.matches(path) ?? false));
  }

  /**
   * The files that exist now, oldest modification first, each once (by device and inode). What can't be read costs the
   * others nothing.
   *
   * @throws FatalError for too many files.
   */
  async find(): Promise<Found> {
    const byInode = new Map<string, FoundFile>();
    const skipped = new Map<string, Skipped>();
    const missing: string[] = [];
    const { followLinks = false } = this.#options;
    const own = await realPaths(this.#options.ownDirectories ?? []);
    for (const pattern of this.#patterns) {
      const found = pattern.glob === null
        ? await statPlain(pattern)
        : await findGlob(pattern.literal, pattern.glob, { followLinks, own });
      if (found.files.length === 0 && found.skipped.every(({ kind }) => kind === "own")) missing.push(pattern.text);
      for (const skip of found.skipped) skipped.set(skip.path, skip);
      for (const file of found.files) {
        const key = `${file.device}:${file.inode}`;
        if (!byInode.has(key)) byInode.set(key, file);
      }
      if (byInode.size > MAX_FILES) throw new FatalError(`file.path names more than ${MAX_FILES} files: narrow it`);
    }
    const files = [...byInode.values()].sort((a, b) => a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : 1));
    return { files, missing, skipped: [...skipped.values()] };
  }

  /** The plain paths (not globs) among `texts`, which `find` reported as missing. */
  plain(texts: readonly string[]): string[] {
    return this.#patterns.filter(({ text, glob }) => glob === null && texts.includes(text)).map(({ text }) => text);
  }
}

function parsePattern(text: string, isExcluded: (path: string) => boolean): Pattern {
  const { base, isGlob, glob } = picomatch.scan(text);
  const literal = resolve(text);
  if (!isGlob) return { text, literal, glob: null };
  const root = resolve(base);
  const below = root === "/" ? "/" : `${root}/`;
  const matchesBelow = globMatcher(glob);
  const matches = (path: string) =>
    path.startsWith(below) && matchesBelow(path.slice(below.length)) && !isExcluded(path);
  const maxDepth = glob.includes("**") ? Infinity : glob.split("/").length;
  return { text, literal, glob: { base: root, maxDepth, matches } };
}

/** A glob begins a name with a dot of its own: ".*", "x/.*", "{.a,b}". */
const EXPLICIT_DOT = /(?:^|[/{,(|!])\\?\.(?!\.?(?:\/|$))/;
const DOT_NAME = /(?:^|\/)\./;

/** As shells have it: "[!a]" is anything but an a, and no bracket or star matches a dot that a name begins with. */
function globMatcher(glob: string): (path: string) => boolean {
  const matches = picomatch(glob, { posix: true });
  return EXPLICIT_DOT.test(glob) ? matches : (path) => matches(path) && !DOT_NAME.test(path);
}

/** Whether a path is one that an item of `file.exclude` means. Names with dots are no exception there. */
function excluder(text: string): (path: string) => boolean {
  const options = { posix: true, dot: true };
  if (!text.includes("/")) {
    const matches = picomatch(text, options);
    return (path) => matches(basename(path));
  }
  const { base, isGlob, glob } = picomatch.scan(text);
  if (!isGlob) return (path) => path === resolve(text) || path.startsWith(`${resolve(text)}/`);
  const root = resolve(base), below = root === "/" ? "/" : `${root}/`;
  const matches = picomatch(glob, options);
  return (path) => path.startsWith(below) && matches(path.slice(below.length));
}

/** Those that exist, without symbolic links. */
async function realPaths(directories: readonly string[]): Promise<string[]> {
  const real = await Promise.all(directories.map((path) => Deno.realPath(path).catch(() => null)));
  return real.filter((path) => path !== null);
}

type Part = Pick<Found, "files" | "skipped">;

async function findGlob(
  literal: string,
  { base, ...glob }: NonNullable<Pattern["glob"]>,
  rules: Pick<WalkRules, "followLinks" | "own">,
): Promise<Part> {
  const exact = await statFile(literal).catch(() => null);
  const files: FoundFile[] = exact === null ? [] : [exact];
  const { paths, skipped } = await walk(base, { ...glob, ...rules });
  for (let i = 0; i < paths.length; i += STATS_AT_A_TIME) {
    const some = paths.slice(i, i + STATS_AT_A_TIME).map((path) =>
      statFile(path).catch((error) => unreadable(path, error))
    );
    for (const file of await Promise.all(some)) {
      if (file !== null && "kind" in file) skipped.push(file);
      else if (file !== null) files.push(file);
    }
  }
  return { files, skipped };
}

async function statPlain({ text, literal }: Pattern): Promise<Part> {
  try {
    const info = await Deno.stat(literal);
    if (info.isFile) return { files: [foundFile(literal, info)], skipped: [] };
    const why = info.isDirectory
      ? `it is a directory: write ${text.replace(/\/$/, "")}/*`
      : `it isn't a regular file: feed it to standard input ("-")`;
    return { files: [], skipped: [{ path: literal, why, kind: "wrong" }] };
  } catch (error) {
    return { files: [], skipped: isMissing(error) ? [] : [unreadable(literal, error)] };
  }
}

/**
 * Null unless `path` is a regular file (or a link to one) now.
 *
 * @throws what the system says when it can't be looked at.
 */
export async function statFile(path: string): Promise<FoundFile | null> {
  try {
    const info = await Deno.stat(path);
    return info.isFile ? foundFile(path, info) : null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
