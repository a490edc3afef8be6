import { FatalError, RetriableError } from "../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { StoredObject } from "../target.ts";
import { ByteBudget } from "../../runtime/byte_budget.ts";
import { describe, type Operation } from "./errors.ts";
import { type ObjectHead, type ObjectStore, type StoredPart, type Upload, UploadGoneError } from "./object_store.ts";
import type { S3Settings } from "./options.ts";
import { partByteLength, withSlice } from "./parts.ts";
import { linkedController, withTimeLimit } from "../../runtime/time_limit.ts";

/** Each request is tried this often; then the caller holds the source back and puts the object again. */
const REQUEST_RETRIES: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 10_000, maxAttempts: 5 };
/** Tidying up is worth less of a wait. */
const CLEANUP_RETRIES: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 1_000, maxAttempts: 2 };
const CLEANUP_LIMIT_MS = 5_000;
/** An upload that vanished (its complete's answer was lost) is begun anew this often. */
const MAX_RESTARTS = 2;
/** Parts of one object on their way at a time, however small they are. */
const MAX_PARALLEL_PARTS = 16;
/** Connections slower than this, in bytes per ms, are taken for dead: 256 kB/s. */
const SLOWEST_BYTES_PER_MS = 256 * 1024 / 1000;
/** S3 may take minutes to put many parts together. */
const COMPLETE_LIMIT_FACTOR = 10;
/** Unfinished uploads that could not be aborted and are remembered for later; older ones are left to the bucket's rules. */
const MAX_LEFTOVERS = 100;

interface Request<T> {
  readonly operation: Operation;
  readonly key: string;
  readonly bodyByteLength?: number;
  readonly limitMs?: number;
  readonly policy?: RetryPolicy;
  readonly send: (signal: AbortSignal) => Promise<T>;
}

/** Puts objects into a store in one request or in parts, trying each request again a few times. */
export class Uploader {
  readonly #store: ObjectStore;
  readonly #settings: S3Settings;
  readonly #runtime: Runtime;
  readonly #budget: ByteBudget;
  /** Uploads to abort: by id, their key. */
  readonly #leftovers = new Map<string, string>();
  /** What tidies up after puts that were aborted. */
  readonly #background = new Set<Promise<void>>();

  constructor(store: ObjectStore, settings: S3Settings, runtime: Runtime) {
    this.#store = store;
    this.#settings = settings;
    this.#runtime = runtime;
    this.#budget = new ByteBudget(settings.bufferByteLength);
  }

  /** As ObjectTarget.put; the key goes below the prefix. */
  async put(object: StoredObject, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const head = {
      key: this.#settings.prefix + object.key,
      contentType: object.contentType,
      purpose: object.purpose,
    };
    if (object.byteLength <= this.#settings.partByteLength) return await this.#putWhole(head, object, signal);
    for (let restarts = 0;; restarts++) {
      try {
        return await this.#putInParts(head, object, signal);
      } catch (error) {
        if (!(error instanceof UploadGoneError)) throw error;
        if (restarts >= MAX_RESTARTS) throw this.#vanished(head.key, error);
      }
    }
  }

  /** Waits for what tidies up after aborted puts, and tries once more to abort what could not be. */
  async close(): Promise<void> {
    await Promise.all(this.#background);
    await this.#abortLeftovers();
    if (this.#leftovers.size > 0) {
      const { size } = this.#leftovers;
      this.#runtime.log.warn("left unfinished uploads; a lifecycle rule of the bucket should drop them", {
        count: size,
      });
    }
  }

  async #putWhole(head: ObjectHead, object: StoredObject, signal: AbortSignal): Promise<void> {
    await this.#request(signal, {
      operation: "PutObject",
      key: head.key,
      bodyByteLength: object.byteLength,
      send: (signal) =>
        withSlice(
          object.chunks,
          { start: 0, end: object.byteLength },
          (body) => this.#store.put({ ...head, body, sha256: object.sha256 }, signal),
        ),
    });
  }

  async #putInParts(head: ObjectHead, object: StoredObject, signal: AbortSignal): Promise<void> {
    // One whose answer is lost stays behind, without parts: that costs nothing, and lifecycle rules drop it.
    const uploadId = await this.#request(signal, {
      operation: "CreateMultipartUpload",
      key: head.key,
      send: (signal) => this.#store.createUpload(head, signal),
    });
    const upload = { key: head.key, uploadId };
    try {
      const parts = await this.#uploadParts(upload, object, signal);
      await this.#request(signal, {
        operation: "CompleteMultipartUpload",
        key: upload.key,
        limitMs: this.#settings.requestTimeoutMs * COMPLETE_LIMIT_FACTOR,
        send: (signal) => this.#store.completeUpload(upload, parts, signal),
      });
    } catch (error) {
      if (this.#leftovers.size < MAX_LEFTOVERS) this.#leftovers.set(upload.uploadId, upload.key);
      if (signal.aborted) this.#inBackground(this.#abortLeftovers());
      else await this.#abortLeftovers();
      throw error;
    }
  }

  async #uploadParts(upload: Upload, object: StoredObject, signal: AbortSignal): Promise<StoredPart[]> {
    const size = partByteLength(object.byteLength, this.#settings.partByteLength);
    const count = Math.ceil(object.byteLength / size);
    const stored: StoredPart[] = new Array(count);
    const { controller, unlink } = linkedController(signal);
    let next = 0;
    const uploadSome = async () => {
      while (next < count) {
        const index = next++;
        const start = index * size, end = Math.min(start + size, object.byteLength);
        stored[index] = await this.#request(controller.signal, {
          operation: "UploadPart",
          key: upload.key,
          bodyByteLength: end - start,
          send: (signal) =>
            withSlice(
              object.chunks,
              { start, end },
              (body) => this.#store.uploadPart({ ...upload, partNumber: index + 1, body }, signal),
            ),
        });
      }
    };
    const parallel = Math.floor(this.#settings.bufferByteLength / size);
    const runners = Array.from({ length: Math.min(Math.max(parallel, 1), MAX_PARALLEL_PARTS, count) }, uploadSome);
    try {
      await Promise.all(runners);
    } catch (error) {
      controller.abort(error); // parts that are stored after the upload's abort would stay
      await Promise.allSettled(runners);
      throw error;
    } finally {
      unlink();
    }
    return stored;
  }

  async #request<T>(signal: AbortSignal, request: Request<T>): Promise<T> {
    const { operation, key, bodyByteLength = 0, policy = REQUEST_RETRIES, send } = request;
    const limitMs = request.limitMs ?? this.#settings.requestTimeoutMs + bodyByteLength / SLOWEST_BYTES_PER_MS;
    const what = describe({ operation, settings: this.#settings, key });
    const attempt = async () => {
      const release = await this.#budget.acquire(bodyByteLength, signal);
      try {
        return await withTimeLimit({ what, limitMs, clock: this.#runtime.clock, signal }, send);
      } finally {
        release();
      }
    };
    return await retry(`s3 ${operation}`, attempt, { policy, runtime: this.#runtime, signal });
  }

  #inBackground(work: Promise<void>): void {
    this.#background.add(work);
    work.finally(() => this.#background.delete(work));
  }

  /** Aborts all uploads that are left; those that can't be aborted stay for the next call. Never rejects. */
  async #abortLeftovers(): Promise<void> {
    await Promise.all([...this.#leftovers].map(([uploadId, key]) => this.#abortLeftover({ uploadId, key })));
  }

  async #abortLeftover(upload: Upload): Promise<void> {
    try {
      await this.#request(new AbortController().signal, {
        operation: "AbortMultipartUpload",
        key: upload.key,
        limitMs: CLEANUP_LIMIT_MS,
        policy: CLEANUP_RETRIES,
        send: (signal) => this.#store.abortUpload(upload, signal),
      });
      this.#leftovers.delete(upload.uploadId);
    } catch (error) {
      this.#runtime.log.warn("cannot abort an unfinished upload yet", { key: upload.key }, error);
      if (error instanceof FatalError) this.#leftovers.delete(upload.uploadId);
    }
  }

  #vanished(key: string, cause: Error): RetriableError {
    const what = describe({ operation: "CompleteMultipartUpload", settings: this.#settings, key });
    const message =
      `cannot ${what}: its upload vanished ${MAX_RESTARTS + 1} times: answers are lost, or a lifecycle rule ` +
      "of the bucket drops young uploads";
    return new RetriableError(message, { cause });
  }
}
