import { FatalError, RetriableError } from "../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { linkedController, withTimeLimit } from "../../runtime/time_limit.ts";
import { compareKeys } from "../compare_keys.ts";
import type { ListedObject } from "../target.ts";
import { describe, type Operation } from "./errors.ts";
import {
  type BodyRequest,
  type ListPage,
  type ObjectBody,
  ObjectChangedError,
  type ObjectStore,
} from "./object_store.ts";
import type { S3Settings } from "./options.ts";

/** Each request is tried this often, and so is going on with a body that broke off, as long as it brings nothing. */
const REQUEST_RETRIES: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 10_000, maxAttempts: 5 };

/** A body that is being read, until somebody ends it. */
interface OpenBody extends Pick<ObjectBody, "byteLength" | "etag"> {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Twice is safe. */
  readonly end: () => void;
}

/** Lists, reads and deletes objects below the settings' prefix, trying each request again a few times. */
export class Reader {
  readonly #store: ObjectStore;
  readonly #settings: S3Settings;
  readonly #runtime: Runtime;

  constructor(store: ObjectStore, settings: S3Settings, runtime: Runtime) {
    this.#store = store;
    this.#settings = settings;
    this.#runtime = runtime;
  }

  /** As ReadableObjectTarget.list. */
  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ListedObject> {
    const root = this.#settings.prefix;
    let last: string | undefined;
    for (let token: string | undefined, more = true; more;) {
      const page: ListPage = await this.#request(
        { operation: "ListObjectsV2" },
        (signal) => this.#store.list(root + prefix, token, signal),
        signal,
      );
      for (const { key, byteLength } of page.objects) {
        if (last !== undefined && compareKeys(last, key) >= 0) throw this.#unsorted(last, key);
        last = key;
        yield { key: key.slice(root.length), byteLength };
      }
      token = page.token;
      more = token !== undefined;
    }
  }

  /** As ReadableObjectTarget.get. */
  async get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null> {
    const full = this.#settings.prefix + key;
    const body = await this.#open({ key: full, from: 0, etag: undefined }, signal);
    return body === null ? null : this.#read(full, body, signal);
  }

  /** As ReadableObjectTarget.delete. */
  async delete(key: string, signal: AbortSignal): Promise<void> {
    const full = this.#settings.prefix + key;
    await this.#request(
      { operation: "DeleteObject", key: full },
      (signal) => this.#store.delete(full, signal),
      signal,
    );
  }

  /** The body, gone on with where it breaks off: whole, or an error. */
  async *#read(key: string, first: OpenBody, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { byteLength, etag } = first;
    let from = 0, body = first, broken = false;
    const next = async (): Promise<Uint8Array> => {
      if (broken) {
        body.end();
        const rest = await this.#open({ key, from, etag }, signal);
        if (rest?.byteLength !== byteLength - from) throw this.#changed(key);
        body = rest;
        broken = false;
      }
      const { value } = await this.#inTime({ operation: "GetObject", key }, () => body.reader.read(), signal);
      if (value !== undefined && from + value.length <= byteLength) return value;
      throw new Error(`the answer ended after ${from} of ${byteLength} bytes`);
    };
    const attempt = () =>
      next().catch((error) => {
        broken = true;
        throw this.#meaning(error, key, signal);
      });
    try {
      while (from < byteLength) {
        const piece = await retry("s3 GetObject", attempt, { policy: REQUEST_RETRIES, runtime: this.#runtime, signal });
        from += piece.length;
        yield piece;
      }
    } finally {
      body.end();
    }
  }

  /** Begins to read. The time limit is for the answer's head; the body has a signal that lives on, until its `end`. */
  async #open(request: BodyRequest, signal: AbortSignal): Promise<OpenBody | null> {
    const send = async (limited: AbortSignal): Promise<OpenBody | null> => {
      const { controller, unlink } = linkedController(signal);
      const onLimit = () => controller.abort(limited.reason);
      limited.addEventListener("abort", onLimit, { once: true });
      const end = () => {
        unlink();
        controller.abort(new DOMException("nobody wants the rest", "AbortError"));
      };
      try {
        const body = await this.#store.get(request, controller.signal);
        if (body === null) end();
        return body === null ? null : { ...body, reader: body.stream.getReader(), end };
      } catch (error) {
        end(); // an answer of a stranger has a body, too
        throw error;
      } finally {
        limited.removeEventListener("abort", onLimit);
      }
    };
    try {
      return await this.#request({ operation: "GetObject", key: request.key }, send, signal);
    } catch (error) {
      throw error instanceof ObjectChangedError ? this.#changed(request.key) : error;
    }
  }

  #meaning(error: unknown, key: string, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return this.#store.bodyError(error, key);
  }

  #request<T>(
    place: { readonly operation: Operation; readonly key?: string },
    send: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const attempt = () => this.#inTime(place, send, signal);
    return retry(`s3 ${place.operation}`, attempt, { policy: REQUEST_RETRIES, runtime: this.#runtime, signal });
  }

  #inTime<T>(
    place: { readonly operation: Operation; readonly key?: string },
    send: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const what = describe({ ...place, settings: this.#settings });
    return withTimeLimit(
      { what, limitMs: this.#settings.requestTimeoutMs, clock: this.#runtime.clock, signal },
      send,
    );
  }

  #changed(key: string): RetriableError {
    const what = describe({ operation: "GetObject", settings: this.#settings, key });
    return new RetriableError(`cannot ${what}: the object was replaced or deleted while it was read`);
  }

  #unsorted(before: string, after: string): FatalError {
    const what = describe({ operation: "ListObjectsV2", settings: this.#settings });
    return new FatalError(
      `cannot ${what}: it lists ${JSON.stringify(after)} after ${
        JSON.stringify(before)
      }, so not in the order of keys ` +
        "(directory buckets don't either): nothing can be concluded from such a listing",
    );
  }
}
