import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { option } from "../config/option.ts";
import { formatByteSize } from "../config/units.ts";
import { withAbort } from "../runtime/abort.ts";
import { syncDirectory, syncPathTo } from "../runtime/durable_file.ts";
import { FatalError, InvariantError, messageOf } from "../runtime/errors.ts";
import type { CheckResult } from "../runtime/check_result.ts";
import { PRIVATE_DIRECTORY, PRIVATE_FILE } from "../runtime/durable_file.ts";
import { findFile, readContents } from "./file/contents.ts";
import { DirectoryTree, keySegments, makeDirectory } from "./file/directory.ts";
import { fileError } from "./file/errors.ts";
import { listFiles, unlessGone } from "./file/list.ts";
import {
  createTemporary,
  removeStaleTemporaries,
  removeTemporaryDirectory,
  TEMPORARY_DIRECTORY,
  type TemporaryFile,
} from "./file/temporary.ts";
import type { ListedObject, ReadableObjectTarget, StoredObject, TargetComponent, TargetContext } from "./target.ts";

export interface FileTargetConfig {
  readonly directory: string;
}

/**
 * Stores objects as files below a directory: written under a temporary name, synced, renamed, and the rename synced, so
 * that a reader sees a whole file or none, and a power cut after `put` resolved loses nothing.
 */
class FileTarget implements ReadableObjectTarget {
  readonly kind = "objects";
  readonly #directory: string;
  readonly #context: TargetContext;
  /** Writes that go on after their signal aborted, until they have tidied up after themselves. */
  readonly #running = new Set<Promise<void>>();
  #tree: { readonly root: string; readonly directories: DirectoryTree } | undefined;
  /** Found by the first reader that found it. */
  #readRoot: string | null = null;
  #writes = 0;
  readonly #instance: string;

  constructor(config: FileTargetConfig, context: TargetContext) {
    this.#directory = resolve(config.directory);
    this.#context = context;
    this.#instance = context.runtime.random.hex(6);
  }

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await makeDirectory(this.#directory);
      const root = await Deno.realPath(this.#directory);
      await syncPathTo(root);
      await makeDirectory(join(root, TEMPORARY_DIRECTORY));
      const removed = await removeStaleTemporaries(root);
      if (removed > 0) this.#context.runtime.log.info("removed stale temporary files", { removed, root });
      this.#tree = { root, directories: new DirectoryTree(root) };
    } catch (error) {
      throw fileError(`write below ${this.#directory}`, error);
    }
  }

  async put(object: StoredObject, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const write = this.#write(object, signal).catch((error) => {
      throw signal.aborted ? signal.reason : fileError(`write ${join(this.#directory, object.key)}`, error);
    });
    const settled = write.catch(() => {}).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
    await withAbort(write, signal);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ListedObject> {
    signal.throwIfAborted();
    const action = `list ${this.#directory}`;
    const root = await this.#root(action);
    if (root !== null) yield* translated(listFiles(root, prefix, signal), action, signal);
  }

  async get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    signal.throwIfAborted();
    const action = `read ${join(this.#directory, key)}`;
    const root = await this.#root(action);
    if (root === null) return null;
    const path = await findFile(root, key).catch((error) => {
      throw fileError(action, error, "reading");
    });
    return path === null ? null : translated(readContents(path, signal), action, signal);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const action = `remove ${join(this.#directory, key)}`;
    const root = await this.#root(action);
    if (root === null) return;
    try {
      // The key's own entry goes: of a link the link, and only where the way to it stays within the root.
      if (await findFile(root, key) === null) return;
      const path = join(root, ...keySegments(key));
      await unlessGone(Deno.remove(path));
      await syncDirectory(dirname(path));
    } catch (error) {
      throw fileError(action, error);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#running);
    const tree = this.#tree;
    this.#tree = undefined;
    if (tree !== undefined) await removeTemporaryDirectory(tree.root);
  }

  /** The directory's real path, for readers; null while there is no such directory. */
  async #root(action: string): Promise<string | null> {
    try {
      if (this.#readRoot !== null) return this.#readRoot;
      const info = await unlessGone(Deno.stat(this.#directory));
      if (info === null) return null;
      if (!info.isDirectory) throw new FatalError(`cannot ${action}: ${this.#directory} is not a directory`);
      return this.#readRoot = await unlessGone(Deno.realPath(this.#directory));
    } catch (error) {
      throw fileError(action, error, "reading");
    }
  }

  async #write(object: StoredObject, signal: AbortSignal): Promise<void> {
    const segments = keySegments(object.key);
    if (segments[0] === TEMPORARY_DIRECTORY) throw new FatalError(`keys below ${TEMPORARY_DIRECTORY} are reserved`);
    const tree = this.#tree;
    if (tree === undefined) throw new InvariantError("put on a file target that is not open");
    // What could not be decoded is nobody's to read who may read the tables.
    const isPrivate = object.purpose === "dead-letter";
    const directory = await tree.directories.directory(
      segments.slice(0, -1),
      isPrivate ? PRIVATE_DIRECTORY : undefined,
    );
    const temporary = await createTemporary(
      tree.root,
      `${this.#instance}-${this.#writes++}`,
      isPrivate ? PRIVATE_FILE : undefined,
    );
    try {
      await writeDurably(temporary, object.chunks, signal);
      await Deno.rename(temporary.path, join(directory, segments[segments.length - 1]));
    } catch (error) {
      await Deno.remove(temporary.path).catch(() => {}); // the next open removes what this can't
      throw error;
    }
    await syncDirectory(directory);
  }
}

/** What a read yields; its errors as the target's. */
async function* translated<T>(from: AsyncIterable<T>, action: string, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* from;
  } catch (error) {
    throw signal.aborted ? signal.reason : fileError(action, error, "reading");
  }
}

async function writeDurably({ file }: TemporaryFile, chunks: readonly Uint8Array[], signal: AbortSignal) {
  try {
    for (const chunk of chunks) {
      for (let offset = 0; offset < chunk.length;) {
        signal.throwIfAborted();
        offset += await file.write(chunk.subarray(offset));
      }
    }
    await file.sync();
    signal.throwIfAborted();
  } finally {
    file.close();
  }
}

/** The directory itself, or the nearest one above it that exists. */
async function nearestExisting(path: string): Promise<string> {
  for (let current = path;; current = dirname(current)) {
    try {
      await Deno.stat(current);
      return current;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || dirname(current) === current) throw error;
    }
  }
}

async function checkDirectory(directory: string, context: TargetContext): Promise<CheckResult[]> {
  const what = `directory ${directory} can be written`;
  try {
    const existing = await nearestExisting(directory);
    const probe = join(existing, `${TEMPORARY_DIRECTORY}-check-${context.runtime.random.hex(6)}`);
    await Deno.writeFile(probe, new Uint8Array(1), { createNew: true });
    await Deno.remove(probe);
    const { bavail, bsize } = await statfs(existing);
    const free = formatByteSize(Math.floor(bavail * bsize / 2 ** 20) * 2 ** 20);
    const detail = existing === directory
      ? `yes, ${free} free`
      : `yes, it will be created below ${existing}, ${free} free`;
    return [{ ok: true, what, detail }];
  } catch (error) {
    return [{ ok: false, what, detail: messageOf(fileError(`write to ${directory}`, error)) }];
  }
}

/** Files in a local directory. */
export const fileTarget: TargetComponent<FileTargetConfig> = {
  doc: "Writes files below a directory. Each appears whole, under its final name, once it is on the disk.",
  options: {
    directory: option.string("target.file.directory", {
      exact: true,
      default: "./out",
      doc: "The directory that files are written below. It is created when it is missing. Keep it on one file system.",
    }),
  },
  create: (config, context) => new FileTarget(config, context),
  check: (config, context) => checkDirectory(resolve(config.directory), context),
  place: ({ directory }) => ({ name: resolve(directory), directory: resolve(directory) }),
};
