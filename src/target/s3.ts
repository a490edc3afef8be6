import { InvariantError, RetriableError } from "../runtime/errors.ts";
import { retry, type RetryPolicy } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { checkStore } from "./s3/check.ts";
import { type OpenStore, openStoreInTime } from "./s3/open_store.ts";
import type { ObjectStore } from "./s3/object_store.ts";
import { s3ConfigProblems, s3Options, type S3Settings, s3Settings, type S3TargetConfig } from "./s3/options.ts";
import { withTimeLimit } from "../runtime/time_limit.ts";
import { Uploader } from "./s3/upload.ts";
import { describe } from "./s3/errors.ts";
import { Reader } from "./s3/read.ts";
import type { ListedObject, ReadableObjectTarget, StoredObject, TargetComponent } from "./target.ts";

const OPEN_RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 2_000, maxAttempts: 3 };

/** Stores objects in a bucket. A key holds the whole object or what it held before, since S3 never shows a part. */
export class S3Target implements ReadableObjectTarget {
  readonly kind = "objects";
  readonly #settings: S3Settings;
  readonly #runtime: Runtime;
  readonly #openStore: OpenStore;
  #opened: { readonly store: ObjectStore; readonly uploader: Uploader } | undefined;
  /** Of a target that is only read: a store of its own, since nobody opened this one. */
  #reading: Promise<ObjectStore> | undefined;

  constructor(settings: S3Settings, runtime: Runtime, openStore: OpenStore) {
    this.#settings = settings;
    this.#runtime = runtime;
    this.#openStore = openStore;
  }

  /**
   * Finds credentials and asks for the bucket. A bucket that isn't there ends it; a store that doesn't answer does not,
   * since puts are tried until it does.
   */
  async open(signal: AbortSignal): Promise<void> {
    const store = await openStoreInTime(this.#openStore, this.#settings, this.#runtime, signal);
    this.#opened = { store, uploader: new Uploader(store, this.#settings, this.#runtime) };
    const limit = {
      what: describe({ operation: "HeadBucket", settings: this.#settings }),
      limitMs: this.#settings.requestTimeoutMs,
      clock: this.#runtime.clock,
      signal,
    };
    const ask = () => withTimeLimit(limit, (signal) => store.describeBucket(signal));
    try {
      await retry("s3 HeadBucket", ask, { policy: OPEN_RETRIES, runtime: this.#runtime, signal });
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error;
      this.#runtime.log.warn("the bucket does not answer yet, going on", { bucket: this.#settings.bucket }, error);
    }
  }

  async put(object: StoredObject, signal: AbortSignal): Promise<void> {
    if (this.#opened === undefined) throw new InvariantError("put on an s3 target that is not open");
    await this.#opened.uploader.put(object, signal);
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ListedObject> {
    yield* (await this.#reader(signal)).list(prefix, signal);
  }

  async get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    return await (await this.#reader(signal)).get(key, signal);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    await (await this.#reader(signal)).delete(key, signal);
  }

  async close(): Promise<void> {
    const opened = this.#opened, reading = this.#reading;
    this.#opened = this.#reading = undefined;
    await opened?.uploader.close();
    opened?.store.close();
    (await reading?.catch(() => undefined))?.close();
  }

  async #reader(signal: AbortSignal): Promise<Reader> {
    signal.throwIfAborted();
    const store = this.#opened?.store ?? await this.#readingStore(signal);
    return new Reader(store, this.#settings, this.#runtime);
  }

  async #readingStore(signal: AbortSignal): Promise<ObjectStore> {
    const opening = this.#reading ??= openStoreInTime(this.#openStore, this.#settings, this.#runtime, signal);
    try {
      return await opening;
    } catch (error) {
      if (this.#reading === opening) this.#reading = undefined; // the next one tries again
      throw error;
    }
  }
}

/** The SDK is loaded only when it is used: that takes 80 ms. */
async function openSdkStore(settings: S3Settings, runtime: Runtime): Promise<ObjectStore> {
  const { openObjectStore } = await import("./s3/connect.ts");
  return await openObjectStore(settings, runtime.clock);
}

/** Objects in a bucket of S3 or of a store that speaks it. */
export const s3Target: TargetComponent<S3TargetConfig> = {
  doc: "Stores objects in a bucket of Amazon S3 or of another store that speaks its protocol.",
  options: s3Options,
  validate: s3ConfigProblems,
  create: (config, { runtime }) => new S3Target(s3Settings(config), runtime, openSdkStore),
  check: (config, { runtime }, signal) => checkStore(s3Settings(config), runtime, openSdkStore, signal),
  place: ({ bucket, prefix }) => ({ name: `s3://${bucket}/${prefix ?? ""}` }),
};
