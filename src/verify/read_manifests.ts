import { ByteBudget } from "../runtime/byte_budget.ts";
import { retry, type RetryPolicy } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ListedObject, ReadableObjectTarget } from "../target/target.ts";
import { mapInOrder } from "./in_order.ts";
import { type AuditedManifest, ManifestError, parseManifest } from "./parse_manifest.ts";

/** Below the target's root. */
export const MANIFEST_PREFIX = "_manifests/";

/** Manifests that are read at a time, and their bytes: a store answers after tens of ms, whatever their size. */
const READS_AT_ONCE = 16;
const MAX_BYTES_AT_ONCE = 64 * 2 ** 20;
/** The manifest of 100,000 objects has 30 MB. */
const MAX_MANIFEST_BYTES = 64 * 2 ** 20;
/** For an object that is replaced while it is read; everything else has been tried again by the target itself. */
export const READ_RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 2_000, maxAttempts: 3 };

export interface ReadManifest {
  readonly key: string;
  readonly manifest: AuditedManifest | ManifestError;
}

/** All manifests of the target in the order of their keys, some read ahead. One that goes meanwhile is left out. */
export function readManifests(
  target: ReadableObjectTarget,
  runtime: Runtime,
  signal: AbortSignal,
): AsyncGenerator<ReadManifest> {
  const read = (listed: ListedObject) => readManifest(target, listed, signal);
  return readJsonObjects({ what: "read manifest", prefix: MANIFEST_PREFIX, atOnce: READS_AT_ONCE, read }, {
    ...{ target, runtime, signal },
  });
}

/** How objects of one kind are read. */
export interface Reading<Result> {
  /** For the log. */
  readonly what: string;
  readonly prefix: string;
  /** Objects that are read at a time, while they have MAX_BYTES_AT_ONCE together. */
  readonly atOnce: number;
  /** Null when the object is gone. Tried again when it fails. */
  read(listed: ListedObject): Promise<Result | null>;
}

/** What was read of all objects below the prefix that are named like JSON, in the order of their keys. */
export async function* readJsonObjects<Result>(
  { what, prefix, atOnce, read }: Reading<Result>,
  { target, runtime, signal }: { target: ReadableObjectTarget; runtime: Runtime; signal: AbortSignal },
): AsyncGenerator<Result> {
  const budget = new ByteBudget(MAX_BYTES_AT_ONCE);
  const readOne = async (listed: ListedObject): Promise<Result | null> => {
    const release = await budget.acquire(listed.byteLength, signal);
    try {
      return await retry(what, () => read(listed), { policy: READ_RETRIES, runtime, signal });
    } finally {
      release();
    }
  };
  for await (const found of mapInOrder(jsonObjects(target.list(prefix, signal)), atOnce, readOne)) {
    if (found !== null) yield found;
  }
}

async function* jsonObjects(listing: AsyncIterable<ListedObject>): AsyncGenerator<ListedObject> {
  for await (const listed of listing) if (listed.key.endsWith(".json")) yield listed;
}

async function readManifest(
  target: ReadableObjectTarget,
  { key, byteLength }: ListedObject,
  signal: AbortSignal,
): Promise<ReadManifest | null> {
  if (byteLength > MAX_MANIFEST_BYTES) return tooLarge(key, byteLength);
  const chunks = await target.get(key, signal);
  if (chunks === null) return null;
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length; // it may have been replaced since it was listed
    if (total > MAX_MANIFEST_BYTES) return tooLarge(key, total);
    parts.push(chunk);
  }
  try {
    return { key, manifest: parseManifest(concat(parts, total)) };
  } catch (error) {
    if (error instanceof ManifestError) return { key, manifest: error };
    throw error;
  }
}

function tooLarge(key: string, byteLength: number): ReadManifest {
  return { key, manifest: new ManifestError(`it has ${byteLength} bytes or more, as no manifest of a collector has`) };
}

/** All parts in one. */
export function concat(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let used = 0;
  for (const part of parts) {
    bytes.set(part, used);
    used += part.length;
  }
  return bytes;
}
