import { join } from "node:path";
import { compareKeys } from "../compare_keys.ts";
import type { ListedObject } from "../target.ts";
import { isInside, keySegments } from "./directory.ts";
import { TEMPORARY_DIRECTORY } from "./temporary.ts";

/** Files whose sizes are asked for at a time: one after the other takes four times as long. */
const STATS_AT_ONCE = 64;

/** A directory that is being walked: what is left of it, and where its entries' keys begin. */
interface Level {
  readonly path: string;
  /** "" or ending in "/". */
  readonly key: string;
  /** Names sorted as keys are; those of directories end in "/". */
  readonly names: readonly string[];
  next: number;
}

/**
 * The files below `root` (a real path) whose keys begin with `prefix`, sorted by the bytes of their keys. One directory's
 * names are in memory for each level on the way. Links are followed within the root and never out of it; a file that goes
 * while it is looked at is left out, and so is what a collector is writing.
 *
 * @throws what the file system throws, as it comes.
 */
export async function* listFiles(root: string, prefix: string, signal: AbortSignal): AsyncGenerator<ListedObject> {
  const walk = new Walk(root, prefix);
  const levels: Level[] = [];
  const key = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  if (key !== "") keySegments(key.slice(0, -1));
  const first = await walk.enter(join(root, key), key, levels);
  if (first !== null) levels.push(first);
  while (levels.length > 0) {
    signal.throwIfAborted();
    const level = levels[levels.length - 1];
    if (level.next === level.names.length) {
      levels.pop();
    } else if (level.names[level.next].endsWith("/")) {
      const name = level.names[level.next++];
      const below = await walk.enter(join(level.path, name), level.key + name, levels);
      if (below !== null) levels.push(below);
    } else {
      yield* await statNext(level);
    }
  }
}

class Walk {
  readonly #root: string;
  readonly #prefix: string;

  constructor(root: string, prefix: string) {
    this.#root = root;
    this.#prefix = prefix;
  }

  /** The directory's level; null when it is gone, leads out of the root, or is one that the walk is in already. */
  async enter(path: string, key: string, above: readonly Level[]): Promise<Level | null> {
    const real = await unlessGone(Deno.realPath(path));
    if (real === null || !isInside(this.#root, real) || above.some((level) => level.path === real)) return null;
    const names: string[] = [];
    const entries = Deno.readDir(real)[Symbol.asyncIterator]();
    for (let entry = await unlessGone(entries.next()); entry !== null && !entry.done;) {
      const name = await this.#nameOf(real, key, entry.value);
      if (name !== null) names.push(name);
      entry = await unlessGone(entries.next());
    }
    return { path: real, key, names: names.sort(compareKeys), next: 0 };
  }

  /** How the entry stands in the order of keys; null for what is no object, or none that was asked for. */
  async #nameOf(directory: string, key: string, entry: Deno.DirEntry): Promise<string | null> {
    const name = entry.isDirectory ? `${entry.name}/` : entry.name;
    if (!this.#mayMatch(key + name) && !(entry.isSymlink && this.#mayMatch(`${key}${name}/`))) return null;
    if (key === "" && isTemporary(entry.name)) return null;
    if (!entry.isSymlink) return entry.isDirectory || entry.isFile ? name : null;
    const path = join(directory, name);
    const real = await unlessGone(Deno.realPath(path));
    if (real === null || !isInside(this.#root, real)) return null;
    const { isDirectory, isFile } = await unlessGone(Deno.stat(real)) ?? {};
    return isDirectory ? `${name}/` : isFile ? name : null;
  }

  /** Keys that begin with `key` may begin with the prefix. */
  #mayMatch(key: string): boolean {
    return key.startsWith(this.#prefix) || (key.endsWith("/") && this.#prefix.startsWith(key));
  }
}

/** What writers and checks make at the root for a moment. */
function isTemporary(name: string): boolean {
  return name === TEMPORARY_DIRECTORY || name.startsWith(`${TEMPORARY_DIRECTORY}-check-`);
}

/** The next files of a level up to its next directory, some at a time. */
async function statNext(level: Level): Promise<ListedObject[]> {
  const first = level.next;
  while (level.next < level.names.length && level.next - first < STATS_AT_ONCE) {
    if (level.names[level.next].endsWith("/")) break;
    level.next++;
  }
  const found = await Promise.all(
    level.names.slice(first, level.next).map(async (name) => {
      const info = await unlessGone(Deno.stat(join(level.path, name)));
      return info === null ? [] : [{ key: level.key + name, byteLength: info.size }];
    }),
  );
  return found.flat();
}

/** Null when there is no such thing, or no longer. */
export async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}
