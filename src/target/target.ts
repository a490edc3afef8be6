/**
 * Targets: where rows go. This file is the interface; each target is a file here, and a line of registry.ts. The unit writers
 * put what the pipeline made under its keys, with dead letters and a manifest.
 */
import type { FlushUnit } from "../records/flush_unit.ts";
import type { Page } from "../columnar/page.ts";
import type { TableName } from "../columnar/types.ts";
import type { OptionGroup } from "../config/section.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CheckResult } from "../runtime/check_result.ts";

/** Takes the pages of one table in one unit. */
export interface Inserter {
  /** In the order of the rows. Nobody else uses the page any more; don't change it: after a failed commit it comes again. */
  addPage(page: Page): void;
  /**
   * Writes what was added. When this resolves the rows are durable, and the checkpoint may move past them.
   *
   * @throws RetriableError to have the whole unit inserted again (from `insert` on); any other error ends the process,
   * and nothing of the unit is committed.
   */
  commit(signal: AbortSignal): Promise<void>;
}

/**
 * A target that takes rows as columns: a database, an API, a format of its own. The loop calls `open` once, then for each
 * unit `insert` once a table, `addPage` for each page, `commit` once, several tables at a time; `close` once at the end.
 * A unit may come again after a failed commit or a crash, with the same name and rows.
 */
export interface PageTarget {
  readonly kind: "pages";
  /** Rows come to it within this time, ms, even if the config lets them wait longer: somebody watches. */
  readonly maxAgeMs?: number;
  open(signal: AbortSignal): Promise<void>;
  insert(table: TableName, unit: FlushUnit): Inserter;
  close(): Promise<void>;
}

/** An object to store. */
export interface StoredObject {
  /** Key below the target's root, segments separated by "/", already safe: no empty, "." or ".." segments. */
  readonly key: string;
  /**
   * The contents, in order. Not to be changed: the same arrays come again with a retry. Not to be kept either: once `put`
   * has resolved, their memory is given back.
   */
  readonly chunks: readonly Uint8Array[];
  /** Sum of the chunks' lengths. */
  readonly byteLength: number;
  /** SHA-256 of the contents, raw (32 bytes), so that stores need not compute it again and servers can check it. */
  readonly sha256: Uint8Array;
  readonly contentType: string;
  /** "data" for rows; manifests and dead letters are stored beside them. */
  readonly purpose: "data" | "manifest" | "dead-letter";
}

/**
 * A target that stores finished objects under keys: a directory, a bucket. Rows have been encoded and compressed before
 * they get here. `put` is called for several objects at a time and must replace an object of the same key whole:
 * readers see the old or the new one, never a part.
 */
export interface ObjectTarget {
  readonly kind: "objects";
  open(signal: AbortSignal): Promise<void>;
  /**
   * Durable when resolved.
   *
   * @throws RetriableError to be called again later; any other error ends the process.
   */
  put(object: StoredObject, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface ListedObject {
  /** Below the target's root, as in StoredObject. */
  readonly key: string;
  readonly byteLength: number;
}

/**
 * An object target whose objects can be read back, for audits and for dead letters that get a second try. These three need
 * no `open`: whoever only reads calls them right away, so that nothing is made (a folder) that wasn't there; `close` is
 * called all the same.
 */
export interface ReadableObjectTarget extends ObjectTarget {
  /**
   * The objects whose keys begin with `prefix` ("" for all), sorted by the bytes of their keys, however many there are:
   * a page at a time is in memory.
   *
   * @throws RetriableError when the whole listing may be begun again; any other error is final.
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<ListedObject>;
  /**
   * The contents in order, whole or an error, read as they are asked for; each array is the caller's. Null when there is no
   * such object. Whoever gets contents iterates over them at once, once, to the end or until he leaves the loop: they may
   * hold a connection. Errors as with `list`.
   */
  get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null>;
  /** Durable when resolved; nothing happens when there is no such object. Errors as with `put`. */
  delete(key: string, signal: AbortSignal): Promise<void>;
}

export function isReadable(target: Target): target is ReadableObjectTarget {
  return target.kind === "objects" && "list" in target && "get" in target && "delete" in target;
}

export type Target = PageTarget | ObjectTarget;

/** Standard output, as the process's owner hands it on (Deno.stdout has this shape). */
export interface OutputStream {
  /** Writes some of the bytes and resolves to how many, once there is room for them. */
  write(bytes: Uint8Array): Promise<number>;
}

/** What a target is told besides its own options. */
export interface TargetContext {
  readonly runtime: Runtime;
  /** For targets that write rows to standard output. Nobody else writes to it; logs go to standard error. */
  readonly stdout?: OutputStream;
}

/** One line of the registry: the options a target reads, and how it is built from them. */
export interface TargetComponent<Config> extends OptionGroup<Config> {
  create(config: Config, context: TargetContext): Target;
  /** Tries what a run would need (reachable, exists, may write) without leaving data behind. */
  check(config: Config, context: TargetContext, signal: AbortSignal): Promise<CheckResult[]>;
  /** Where rows go; absent: nothing but the component's name says so, and no local directory is written to. */
  place?(config: Config): TargetPlace;
}

/** Where a target's rows go. */
export interface TargetPlace {
  /** For people, and to see that it has changed: "s3://events/raw". Holds no secret. */
  readonly name: string;
  /** The local directory that is written to, if it is one. */
  readonly directory?: string;
  /** Whether rows only pass by, so that what was read counts as unread for the next run. */
  readonly trial?: boolean;
}
