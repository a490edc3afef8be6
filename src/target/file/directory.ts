import { dirname, join, sep } from "node:path";
import { syncDirectory } from "../../runtime/durable_file.ts";
import { FatalError } from "../../runtime/errors.ts";

/**
 * Creates `path` and its missing parents, each durable in its parent. True when `path` was missing.
 *
 * @param mode of `path` alone.
 */
export async function makeDirectory(path: string, mode?: number): Promise<boolean> {
  try {
    await Deno.mkdir(path, { mode });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return await mustBeDirectory(path, error);
    if (!(error instanceof Deno.errors.NotFound) || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    return await makeDirectory(path, mode);
  }
  await syncDirectory(dirname(path));
  return true;
}

async function mustBeDirectory(path: string, cause: Error): Promise<false> {
  if ((await Deno.stat(path)).isDirectory) return false;
  throw new FatalError(`${path} is not a directory: move it away or change target.file.directory`, { cause });
}

/** Most directories whose durability is remembered; then all are forgotten and synced once more. */
const MAX_KNOWN_DIRECTORIES = 4096;

/** Finds and creates the directories that keys name, below a root that keys can't leave. */
export class DirectoryTree {
  readonly #root: string;
  /** Directories whose own entries are durable: one that exists may have been made a moment ago, and not be yet. */
  readonly #known = new Set<string>();

  /** @param root a real path (no symbolic links in it). */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The real directory for a key's directory segments, created where it is missing and durable. Goes down step by
   * step, since a symbolic link among the segments could lead out of the root.
   *
   * @param mode of the last one, when it is made.
   * @throws FatalError when a link leads out of the root.
   */
  async directory(segments: readonly string[], mode?: number): Promise<string> {
    let current = this.#root;
    for (const [i, segment] of segments.entries()) {
      const next = join(current, segment);
      if (!await makeDirectory(next, i === segments.length - 1 ? mode : undefined) && !this.#known.has(next)) {
        await syncDirectory(current);
      }
      if (this.#known.size >= MAX_KNOWN_DIRECTORIES) this.#known.clear();
      this.#known.add(next);
      current = await this.#insideRoot(next);
    }
    return current;
  }

  async #insideRoot(path: string): Promise<string> {
    const real = await Deno.realPath(path);
    if (isInside(this.#root, real)) return real;
    throw new FatalError(`${path} is a link to ${real}, outside of ${this.#root}: remove it; no file is written there`);
  }
}

/** Whether a real path is that of the root or of something below it. */
export function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/**
 * The segments of an object's key, each safe as a file's name.
 *
 * @throws FatalError for a key that could leave the directory it is put in; such a key is a bug of its maker.
 */
export function keySegments(key: string): string[] {
  const segments = key.split("/");
  const unsafe = segments.some((segment) =>
    segment === "" || segment === "." || segment === ".." || segment.includes("\0") || segment.includes(sep)
  );
  if (unsafe) throw new FatalError(`refused the key ${JSON.stringify(key)}: it has an unsafe segment`);
  return segments;
}
