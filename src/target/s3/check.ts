import { FatalError, messageOf, RetriableError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { CheckResult } from "../../runtime/check_result.ts";
import { describe, type Operation } from "./errors.ts";
import type { BucketInfo, ObjectStore } from "./object_store.ts";
import { type OpenStore, openStoreInTime } from "./open_store.ts";
import type { S3Settings } from "./options.ts";
import { withTimeLimit } from "../../runtime/time_limit.ts";

/** S3 refuses requests that are further off. */
const MAX_CLOCK_SKEW_MS = 15 * 60_000;
const ACCEPTABLE_CLOCK_SKEW_MS = 60_000;

/** Tries what a run needs of the bucket. Stores nothing: an upload is begun and dropped, which nobody ever sees. */
export async function checkStore(
  settings: S3Settings,
  runtime: Runtime,
  openStore: OpenStore,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  let store: ObjectStore;
  try {
    store = await openStoreInTime(openStore, settings, runtime, signal);
  } catch (error) {
    if (!(error instanceof FatalError || error instanceof RetriableError)) throw error;
    return [{ ok: false, what: "credentials and region are known", detail: error.message }];
  }
  try {
    return await new Checks(settings, runtime, store, signal).run();
  } finally {
    store.close();
  }
}

/** One check a method, in the order in which they make sense. */
class Checks {
  readonly #settings: S3Settings;
  readonly #runtime: Runtime;
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal;

  constructor(settings: S3Settings, runtime: Runtime, store: ObjectStore, signal: AbortSignal) {
    this.#settings = settings;
    this.#runtime = runtime;
    this.#store = store;
    this.#signal = signal;
  }

  async run(): Promise<CheckResult[]> {
    const what = `bucket ${this.#settings.bucket} is there`;
    let info: BucketInfo;
    try {
      info = await this.#once("HeadBucket", (signal) => this.#store.describeBucket(signal));
    } catch (error) {
      return [{ ok: false, what, detail: this.#said(error) }];
    }
    const detail = info.access === "granted" ? "yes" : "these credentials may not ask (s3:ListBucket); that is no need";
    return [{ ok: true, what, detail }, ...this.#clock(info), ...await this.#write()];
  }

  #clock({ serverTimeMs }: BucketInfo): CheckResult[] {
    if (serverTimeMs === undefined) return [];
    const skewMs = this.#runtime.clock.now() - serverTimeMs;
    const what = "clock agrees with the server's";
    if (Math.abs(skewMs) < ACCEPTABLE_CLOCK_SKEW_MS) return [{ ok: true, what, detail: "yes" }];
    const ok = Math.abs(skewMs) < MAX_CLOCK_SKEW_MS;
    const minutes = Math.round(Math.abs(skewMs) / 6000) / 10;
    const detail = `this machine is ${minutes} minutes ${skewMs > 0 ? "ahead" : "behind"}: set its clock` +
      (ok ? "" : " (requests are refused beyond 15 minutes, unless the server's time is used instead)");
    return [{ ok, what, detail }];
  }

  async #write(): Promise<CheckResult[]> {
    const key = `${this.#settings.prefix}_manifests/.collector-check`;
    const what = `objects can be stored in s3://${this.#settings.bucket}/${this.#settings.prefix}`;
    const head = { key, contentType: "application/json", purpose: "data" } as const;
    let uploadId: string;
    try {
      uploadId = await this.#once("CreateMultipartUpload", (signal) => this.#store.createUpload(head, signal));
    } catch (error) {
      return [{ ok: false, what, detail: this.#said(error) }];
    }
    const written = { ok: true, what, detail: "yes" };
    try {
      await this.#once("AbortMultipartUpload", (signal) => this.#store.abortUpload({ key, uploadId }, signal));
      return [written];
    } catch (error) {
      const left = `${this.#said(error)}. Large objects that fail leave parts behind, as this check did: allow it, ` +
        "or have a lifecycle rule of the bucket drop unfinished uploads";
      return [written, { ok: true, what: "unfinished uploads can be dropped", detail: left }];
    }
  }

  #once<T>(operation: Operation, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const what = describe({ operation, settings: this.#settings });
    const { clock } = this.#runtime;
    return withTimeLimit({ what, limitMs: this.#settings.requestTimeoutMs, clock, signal: this.#signal }, request);
  }

  #said(error: unknown): string {
    this.#signal.throwIfAborted();
    return messageOf(error);
  }
}
