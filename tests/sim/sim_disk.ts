/**
 * A disk in memory under Deno's own file functions, so that everything in src/ that uses files runs on it unchanged.
 * What a program sees is the page cache; what a power cut leaves is what was synced, and of the rest whatever is worst:
 *
 *  - a file's bytes are durable with its own sync, a directory's entries with the directory's;
 *  - of what wasn't synced, each entry is there or not by itself (a rename may survive without the data), and each file has
 *    its old bytes, a part of the new ones, or their length with zeros.
 *
 * Must be survived: power cuts and kills at any operation, a full disk, renames and syncs that fail, a bit that flips.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";

interface FileNode {
  readonly kind: "file";
  readonly inode: number;
  bytes: Uint8Array<ArrayBuffer>;
  durable: Uint8Array<ArrayBuffer>;
  modifiedMs: number;
  locked: Handle | null;
}

interface DirectoryNode {
  readonly kind: "directory";
  readonly inode: number;
  entries: Map<string, Node>;
  durable: Map<string, Node>;
}

type Node = FileNode | DirectoryNode;

/** A program that uses the disk; its clock never wakes it once it was killed. */
export interface DiskUser {
  readonly clock: Clock;
  readonly random: Random;
}

/** What goes wrong with an operation, before it has an effect; null for nothing. */
export type DiskFault = (operation: "write" | "sync" | "rename", path: string) => Error | null;

function failure(code: string, text: string): Error {
  return Object.assign(new Error(`${text} (injected)`), { code });
}

export const DISK_ERRORS = {
  full: () => failure("ENOSPC", "No space left on device"),
  broken: () => failure("EIO", "Input/output error"),
};

const EMPTY = new Uint8Array(0);

export class SimDisk {
  readonly #users = new AsyncLocalStorage<DiskUser>();
  readonly #random: Random;
  readonly #nowMs: () => number;
  #root: DirectoryNode;
  #inodes = 1;
  fault: DiskFault = () => null;
  operations = 0;

  constructor(random: Random, nowMs: () => number) {
    this.#random = random;
    this.#nowMs = nowMs;
    this.#root = this.#directory();
  }

  /** Runs a program on this disk: every file function that it calls, however late, is this program's. */
  run<T>(user: DiskUser, program: () => T): T {
    return this.#users.run(user, program);
  }

  /** Takes the place of Deno's file functions until `undo`. */
  install(): () => void {
    const deno = Deno as unknown as Record<string, unknown>;
    const subtle = crypto.subtle as unknown as Record<string, unknown>;
    const mine = this.#functions() as Record<string, unknown>;
    const before = Object.fromEntries(Object.keys(mine).map((name) => [name, deno[name]]));
    const digest = subtle.digest;
    Object.assign(deno, mine);
    // The simulation waits for nothing but promises and its clock: no thread may take its time.
    subtle.digest = (algorithm: string, bytes: Uint8Array) =>
      Promise.resolve(
        new Uint8Array(createHash(algorithm.replace("-", "").toLowerCase()).update(bytes).digest()).buffer,
      );
    return () => {
      Object.assign(deno, before);
      subtle.digest = digest;
    };
  }

  // What the world does to it, at once.

  makeDirectory(path: string): void {
    let at = this.#root;
    for (const name of segments(path)) {
      let next = at.entries.get(name);
      if (next === undefined) {
        next = this.#directory();
        at.entries.set(name, next);
        at.durable.set(name, next);
      }
      at = mustBeDirectory(next, path);
    }
  }

  /** Adds bytes to a file, durably; makes it when it is missing. */
  append(path: string, bytes: Uint8Array): void {
    const directory = mustBeDirectory(this.#find(dirname(path)), path), name = basename(path);
    let file = directory.entries.get(name);
    if (file === undefined) {
      file = this.#file();
      directory.entries.set(name, file);
      directory.durable.set(name, file);
    }
    if (file.kind !== "file") throw new TypeError(`${path} is a directory`);
    file.durable = file.bytes = joined(file.bytes, bytes);
    file.modifiedMs = this.#nowMs();
  }

  /** Renames, or with null removes, durably. */
  move(from: string, to: string | null): void {
    const source = mustBeDirectory(this.#find(dirname(from)), from), node = source.entries.get(basename(from));
    if (node === undefined) return;
    source.entries.delete(basename(from));
    source.durable.delete(basename(from));
    if (to === null) return;
    const target = mustBeDirectory(this.#find(dirname(to)), to);
    target.entries.set(basename(to), node);
    target.durable.set(basename(to), node);
  }

  /** A file's bytes as programs see them; null when there is none. */
  read(path: string): Uint8Array | null {
    const node = this.#lookUp(path);
    return node?.kind === "file" ? node.bytes : null;
  }

  inodeOf(path: string): number {
    return this.#find(path).inode;
  }

  /** Paths of all files below a directory, as programs see them. */
  list(path: string): string[] {
    const node = this.#lookUp(path);
    if (node?.kind !== "directory") return [];
    return [...node.entries].flatMap(([name, entry]) =>
      entry.kind === "file" ? [`${path}/${name}`] : this.list(`${path}/${name}`)
    );
  }

  /** One bit of a file is another one from now on. */
  flipBit(path: string): void {
    const node = this.#lookUp(path);
    if (node?.kind !== "file" || node.bytes.length === 0) return;
    const bytes = node.bytes.slice();
    bytes[Math.floor(this.#random.next() * bytes.length)] ^= 1 << Math.floor(this.#random.next() * 8);
    node.bytes = node.durable = bytes;
  }

  /** Every program is gone; their locks, too. */
  forgetLocks(): void {
    this.#visit(this.#root, (node) => {
      if (node.kind === "file") node.locked = null;
    });
  }

  /** Every program is gone, and so is what wasn't synced. */
  cutPower(): void {
    this.forgetLocks();
    const seen = new Set<Node>();
    const settle = (node: Node): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node.kind === "file") return this.#settleFile(node);
      for (const name of new Set([...node.entries.keys(), ...node.durable.keys()])) {
        const now = node.entries.get(name), before = node.durable.get(name);
        const left = now === before || this.#random.next() < 0.5 ? before : now;
        if (left === undefined) node.entries.delete(name);
        else {
          node.entries.set(name, left);
          settle(left);
        }
      }
      node.durable = new Map(node.entries);
    };
    settle(this.#root);
  }

  #settleFile(node: FileNode): void {
    const { bytes, durable } = node;
    if (bytes !== durable) {
      const dice = this.#random.next(), most = Math.floor(this.#random.next() * (bytes.length + 1));
      if (dice < 0.4) node.bytes = durable;
      else if (dice < 0.7) node.bytes = bytes.slice(0, most);
      else node.bytes = joined(bytes.subarray(0, most), new Uint8Array(bytes.length - most));
    }
    node.durable = node.bytes;
  }

  #visit(node: Node, look: (node: Node) => void): void {
    look(node);
    if (node.kind === "directory") { for (const entry of node.entries.values()) this.#visit(entry, look); }
  }

  // What programs do.

  #functions() {
    return {
      open: (path: string, options: Deno.OpenOptions = {}) => this.#call(() => this.#open(resolve(path), options)),
      mkdir: (path: string, { recursive = false }: Deno.MkdirOptions = {}) =>
        this.#call(() => this.#mkdir(resolve(path), recursive)),
      rename: (from: string, to: string) => this.#call(() => this.#rename(resolve(from), resolve(to))),
      remove: (path: string) => this.#call(() => this.#remove(resolve(path))),
      link: (from: string, to: string) => this.#call(() => this.#link(resolve(from), resolve(to))),
      stat: (path: string) => this.#call(() => this.#stat(this.#find(resolve(path)))),
      realPath: (path: string) =>
        this.#call(() => {
          this.#find(resolve(path));
          return resolve(path);
        }),
      readTextFile: (path: string) =>
        this.#call(() => {
          const node = this.#find(resolve(path));
          if (node.kind === "directory") throw new Deno.errors.IsADirectory(`Is a directory: ${path}`);
          return new TextDecoder().decode(node.bytes);
        }),
      readDir: (path: string) => this.#readDir(resolve(path)),
    };
  }

  /** An operation takes a while, and may never begin or be answered when the program is killed. */
  async #call<T>(effect: () => T): Promise<T> {
    const user = this.#users.getStore();
    if (user === undefined) throw new Error("a file function was called outside of the simulation's programs");
    await user.clock.sleep(user.random.next() * 3);
    this.operations++;
    const result = effect();
    await user.clock.sleep(user.random.next() * 3);
    return result;
  }

  #failing(operation: "write" | "sync" | "rename", path: string): void {
    const error = this.fault(operation, path);
    if (error !== null) throw error;
  }

  #open(path: string, options: Deno.OpenOptions): Handle {
    let node = this.#lookUp(path);
    if (node !== undefined && options.createNew) throw new Deno.errors.AlreadyExists(`File exists: ${path}`);
    if (node === undefined) {
      if (!options.create && !options.createNew) throw notFound(path);
      node = this.#file();
      mustBeDirectory(this.#find(dirname(path)), path).entries.set(basename(path), node);
    }
    if (node.kind === "file" && options.truncate) node.bytes = EMPTY;
    return new Handle(node, options.append ?? false, {
      call: (effect) => this.#call(effect),
      stat: () => this.#stat(node),
      write: () => {
        this.#failing("write", path);
        if (node.kind === "file") node.modifiedMs = this.#nowMs();
      },
      sync: () => {
        this.#failing("sync", path);
        if (node.kind === "file") node.durable = node.bytes;
        else node.durable = new Map(node.entries);
      },
    });
  }

  #mkdir(path: string, recursive: boolean): void {
    if (this.#lookUp(path) !== undefined) {
      if (recursive) return;
      throw new Deno.errors.AlreadyExists(`File exists: ${path}`);
    }
    if (recursive) this.#mkdir(dirname(path), true);
    mustBeDirectory(this.#find(dirname(path)), path).entries.set(basename(path), this.#directory());
  }

  #rename(from: string, to: string): void {
    this.#failing("rename", to);
    const node = this.#find(from);
    mustBeDirectory(this.#find(dirname(to)), to).entries.set(basename(to), node);
    mustBeDirectory(this.#find(dirname(from)), from).entries.delete(basename(from));
  }

  #link(from: string, to: string): void {
    const node = this.#find(from);
    if (this.#lookUp(to) !== undefined) throw new Deno.errors.AlreadyExists(`File exists: ${to}`);
    mustBeDirectory(this.#find(dirname(to)), to).entries.set(basename(to), node);
  }

  #remove(path: string): void {
    const node = this.#find(path);
    if (node.kind === "directory" && node.entries.size > 0) throw failure("ENOTEMPTY", "Directory not empty");
    mustBeDirectory(this.#find(dirname(path)), path).entries.delete(basename(path));
  }

  #stat(node: Node): Partial<Deno.FileInfo> {
    const isFile = node.kind === "file";
    return {
      isFile,
      isDirectory: !isFile,
      isSymlink: false,
      size: isFile ? node.bytes.length : 0,
      mtime: new Date(isFile ? node.modifiedMs : 0),
      birthtime: new Date(node.inode),
      dev: 1,
      ino: node.inode,
    };
  }

  async *#readDir(path: string): AsyncGenerator<Deno.DirEntry> {
    const entries = await this.#call(() => [...mustBeDirectory(this.#find(path), path).entries]);
    for (const [name, { kind }] of entries) {
      yield { name, isFile: kind === "file", isDirectory: kind === "directory", isSymlink: false };
    }
  }

  #lookUp(path: string): Node | undefined {
    let at: Node | undefined = this.#root;
    for (const name of segments(path)) at = at?.kind === "directory" ? at.entries.get(name) : undefined;
    return at;
  }

  #find(path: string): Node {
    const node = this.#lookUp(path);
    if (node === undefined) throw notFound(path);
    return node;
  }

  #file(): FileNode {
    const modifiedMs = this.#nowMs();
    return { kind: "file", inode: this.#inodes++, bytes: EMPTY, durable: EMPTY, modifiedMs, locked: null };
  }

  #directory(): DirectoryNode {
    return { kind: "directory", inode: this.#inodes++, entries: new Map(), durable: new Map() };
  }
}

interface HandleParts {
  call<T>(effect: () => T): Promise<T>;
  stat(): Partial<Deno.FileInfo>;
  /** @throws what keeps a write, or a sync, from happening. */
  write(): void;
  sync(): void;
}

/** An open file, as much of Deno.FsFile as src/ uses. */
class Handle {
  readonly #node: Node;
  readonly #append: boolean;
  readonly #parts: HandleParts;
  #at = 0;

  constructor(node: Node, append: boolean, parts: HandleParts) {
    this.#node = node;
    this.#append = append;
    this.#parts = parts;
  }

  #file(): FileNode {
    if (this.#node.kind === "directory") throw new Deno.errors.IsADirectory("Is a directory");
    return this.#node;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#parts.call(() => {
      const part = this.#file().bytes.subarray(this.#at, this.#at + into.length);
      into.set(part);
      this.#at += part.length;
      return part.length === 0 ? null : part.length;
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    const copy = bytes.slice();
    return this.#parts.call(() => {
      this.#parts.write();
      const file = this.#file();
      if (this.#append) this.#at = file.bytes.length;
      // Not all at once: a kill may leave a part.
      const part = copy.subarray(0, Math.max(1, Math.ceil(copy.length / 2)));
      file.bytes = joined(file.bytes.subarray(0, this.#at), part, file.bytes.subarray(this.#at + part.length));
      this.#at += part.length;
      return part.length;
    });
  }

  sync(): Promise<void> {
    return this.#parts.call(() => this.#parts.sync());
  }

  stat(): Promise<Partial<Deno.FileInfo>> {
    return this.#parts.call(() => this.#parts.stat());
  }

  seek(offset: number): Promise<number> {
    return this.#parts.call(() => this.#at = offset);
  }

  tryLock(): Promise<boolean> {
    return this.#parts.call(() => {
      const file = this.#file();
      if (file.locked !== null && file.locked !== this) return false;
      file.locked = this;
      return true;
    });
  }

  unlock(): Promise<void> {
    return this.#parts.call(() => this.close());
  }

  close(): void {
    if (this.#node.kind === "file" && this.#node.locked === this) this.#node.locked = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function segments(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

function notFound(path: string): Error {
  return Object.assign(new Deno.errors.NotFound(`No such file or directory: ${path}`), { code: "ENOENT" });
}

function mustBeDirectory(node: Node, path: string): DirectoryNode {
  if (node.kind !== "directory") throw new Deno.errors.NotADirectory(`Not a directory: ${path}`);
  return node;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
