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
    const names = await unlessGone(this.#namesIn(real, key)) ?? [];
    return { path: real, key, names: names.sort(compareKeys), next: 0 };
  }

  /** How the directory's entries stand in the order of keys, those that were asked for. */
  async #namesIn(directory: string, key: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { name, isDirectory, isFile, isSymlink } of Deno.readDir(directory)) {
      if (key === "" && isTemporary(name)) continue;
      const found = isDirectory || isFile
        ? { isDirectory, isFile }
        : isSymlink
        ? await this.#follow(directory, name)
        : {};
      const sorted = found.isDirectory ? `${name}/` : name;
      if ((found.isDirectory || found.isFile) && this.#mayMatch(key + sorted)) names.push(sorted);
    }
    return names;
  }

  /** What a link within the root leads to. */
  async #follow(directory: string, name: string): Promise<{ isDirectory?: boolean; isFile?: boolean }> {
    const real = await unlessGone(Deno.realPath(join(directory, name)));
    if (real === null || !isInside(this.#root, real)) return {};
    return await unlessGone(Deno.stat(real)) ?? {};
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
