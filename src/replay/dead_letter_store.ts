import { type Compression, COMPRESSION_LEVELS, compressPiece } from "../encode/compression.ts";
import { assembleObject, contentsOf, type ObjectContents } from "../encode/object.ts";
import { contentTypeOf } from "../encode/options.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ListedObject, ReadableObjectTarget } from "../target/target.ts";

/** Below the dead letters' own prefix. */
export const ARCHIVE = "_redriven/";
/** As units are named whose first split is one of DeadLetterRanges. */
const MADE_BY_REDRIVE = "redrive-dead-letters-";
/** More are left for the next time. */
const MAX_OBJECTS = 100_000;

/** An object with dead letters. */
export interface DeadLetterObject {
  /** Below the prefix of all. */
  readonly name: string;
  readonly byteLength: number;
}

/**
 * Where dead letters lie, and what becomes of those that were tried again: an object moves below _redriven/, where audits
 * still find it; one that an earlier redrive made is deleted. Lines that can't be tried again stay where they were.
 */
export class DeadLetterStore {
  readonly #target: ReadableObjectTarget;
  readonly #prefix: string;
  readonly #runtime: Runtime;

  /** `prefix` ends with "/" unless it is empty. */
  constructor(target: ReadableObjectTarget, { prefix, runtime }: { prefix: string; runtime: Runtime }) {
    this.#target = target;
    this.#prefix = prefix;
    this.#runtime = runtime;
  }

  /** What is there now, in the order of names; at most 100,000. Errors as with ReadableObjectTarget. */
  async list(signal: AbortSignal): Promise<DeadLetterObject[]> {
    const objects: DeadLetterObject[] = [];
    for await (const { key, byteLength } of this.#target.list(this.#prefix, signal)) {
      const name = key.slice(this.#prefix.length);
      if (!name.includes("/") && name.includes(".ndjson")) objects.push({ name, byteLength });
      if (objects.length === MAX_OBJECTS) break;
    }
    return objects;
  }

  /** Its contents as they are stored; null when it is gone. Errors as with ReadableObjectTarget. */
  read(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    return this.#target.get(this.#prefix + name, signal);
  }

  /**
   * Takes an object out of the way whose letters were tried again; durable when resolved. Twice is safe, also after a
   * crash in between, and on several machines at a time.
   *
   * @param kept the lines that were not tried, each ended by a line feed, in parts of whole lines.
   * @throws what the target throws for good, or the signal's reason.
   */
  async retire({ name, byteLength }: DeadLetterObject, kept: readonly Uint8Array<ArrayBuffer>[], signal: AbortSignal) {
    const options = { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal };
    const key = this.#prefix + name;
    await retry("retire dead letters", async () => {
      const found = await this.#find(key, signal);
      if (found?.byteLength !== byteLength) return; // done before
      if (!name.startsWith(MADE_BY_REDRIVE)) {
        const contents = await this.#contents(key, signal);
        // Another machine came first: what it archived is whole, and what is here now is less.
        if (contents?.byteLength !== byteLength) return;
        await this.#put(`${this.#prefix}${ARCHIVE}${name}`, contents, signal);
      }
      if (kept.length === 0) return await this.#target.delete(key, signal);
      const compression = compressionOf(name);
      const pieces = kept.map((part) => compressPiece(part, compression, COMPRESSION_LEVELS[compression].default));
      await this.#put(key, assembleObject(pieces, compression), signal);
    }, options);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#target.open(signal);
  }

  close(): Promise<void> {
    return this.#target.close();
  }

  async #find(key: string, signal: AbortSignal): Promise<ListedObject | null> {
    for await (const object of this.#target.list(key, signal)) {
      if (object.key === key) return object;
    }
    return null;
  }

  /** Null when it is gone. */
  async #contents(key: string, signal: AbortSignal): Promise<ObjectContents | null> {
    const stored = await this.#target.get(key, signal);
    if (stored === null) return null;
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored) chunks.push(chunk);
    return contentsOf(chunks);
  }

  #put(key: string, { chunks, byteLength, sha256 }: ObjectContents, signal: AbortSignal) {
    const contentType = contentTypeOf(compressionOf(key));
    return this.#target.put({ key, chunks, byteLength, sha256, contentType, purpose: "dead-letter" }, signal);
  }
}

function compressionOf(name: string): Compression {
  return name.endsWith(".gz") ? "gzip" : name.endsWith(".zst") ? "zstd" : "none";
}
