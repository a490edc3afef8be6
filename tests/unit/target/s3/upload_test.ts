import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { FatalError, RetriableError } from "../../../../src/runtime/errors.ts";
import {
  type BucketInfo,
  type ObjectHead,
  type ObjectStore,
  type StoredPart,
  type Upload,
  UploadGoneError,
  type UploadPart,
  type WholeObject,
} from "../../../../src/target/s3/object_store.ts";
import { type S3Settings, s3Settings } from "../../../../src/target/s3/options.ts";
import { Uploader } from "../../../../src/target/s3/upload.ts";
import { s3Config } from "../../../support/s3_config.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { contents, patternBytes, storedObject, testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const MB = 2 ** 20;

/** A store in memory that counts, and does before each request what the test says. */
class FakeStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();
  readonly uploads = new Map<string, Map<number, Uint8Array>>();
  readonly asked: string[] = [];
  before: (operation: string, key: string, partNumber?: number) => Promise<void> | void = () => {};
  bodyBytes = 0;
  mostBodyBytes = 0;
  #created = 0;

  async put({ key, body }: WholeObject): Promise<void> {
    await this.#ask("put", key, body.length);
    this.objects.set(key, body.slice());
  }

  async createUpload({ key }: ObjectHead): Promise<string> {
    await this.#ask("create", key, 0);
    const id = `upload-${++this.#created}`;
    this.uploads.set(id, new Map());
    return id;
  }

  async uploadPart({ key, uploadId, partNumber, body }: UploadPart): Promise<StoredPart> {
    await this.#ask("part", key, body.length, partNumber);
    const upload = this.uploads.get(uploadId);
    if (upload === undefined) throw new UploadGoneError("no such upload");
    upload.set(partNumber, body.slice());
    return { partNumber, etag: `etag-${partNumber}`, checksum: undefined };
  }

  async completeUpload({ key, uploadId }: Upload, parts: readonly StoredPart[]): Promise<void> {
    await this.#ask("complete", key, 0);
    const upload = this.uploads.get(uploadId);
    if (upload === undefined) throw new UploadGoneError("no such upload");
    assertEquals(parts.map(({ partNumber }) => partNumber), parts.map((_, i) => i + 1));
    const bodies = parts.map(({ partNumber }) => upload.get(partNumber)!);
    this.objects.set(key, contents(storedObject(key, ...bodies)));
    this.uploads.delete(uploadId);
  }

  async abortUpload({ key, uploadId }: Upload): Promise<void> {
    await this.#ask("abort", key, 0);
    this.uploads.delete(uploadId);
  }

  list(): Promise<never> {
    throw new Error("not of an uploader");
  }

  get(): Promise<never> {
    throw new Error("not of an uploader");
  }

  delete(): Promise<never> {
    throw new Error("not of an uploader");
  }

  bodyError(error: unknown): Error {
    return error as Error;
  }

  describeBucket(): Promise<BucketInfo> {
    return Promise.resolve({ access: "granted", serverTimeMs: undefined });
  }

  close(): void {}

  async #ask(operation: string, key: string, byteLength: number, partNumber?: number): Promise<void> {
    this.asked.push(operation);
    this.bodyBytes += byteLength;
    this.mostBodyBytes = Math.max(this.mostBodyBytes, this.bodyBytes);
    try {
      await this.before(operation, key, partNumber);
      await Promise.resolve();
    } finally {
      this.bodyBytes -= byteLength;
    }
  }
}

function uploader(store: ObjectStore, overrides: Partial<S3Settings> = {}): Uploader {
  const server = { bucket: "events", endpoint: "http://s3", accessKey: "a", secretAccessKey: "b" };
  const settings = s3Settings(s3Config(server, { partByteLength: 5 * MB, bufferByteLength: 10 * MB, ...overrides }));
  return new Uploader(store, settings, testRuntime({ random: { next: () => 0, hex: () => "" } }));
}

const large = storedObject("large", patternBytes(12 * MB, 1), patternBytes(11 * MB + 1, 2));

Deno.test("the uploader keeps the bytes on their way below the buffer's size, over all puts", async () => {
  const store = new FakeStore();
  const objects = Array.from({ length: 6 }, (_, i) => ({ ...large, key: `large-${i}` }));
  const small = Array.from({ length: 20 }, (_, i) => storedObject(`small-${i}`, patternBytes(MB, i)));
  const target = uploader(store);
  await Promise.all([...objects, ...small].map((object) => target.put(object, NEVER)));
  assertLessOrEqual(store.mostBodyBytes, 10 * MB);
  assertEquals(store.objects.size, 26);
  for (const object of small) assertEquals(store.objects.get(object.key), contents(object));
});

Deno.test("the uploader puts as many bytes in one request as fit a part, and not one more", async () => {
  const store = new FakeStore();
  const target = uploader(store);
  await target.put(storedObject("k", patternBytes(5 * MB, 1)), NEVER);
  assertEquals(store.asked, ["put"]);
  await target.put(storedObject("k", patternBytes(5 * MB, 1), "x"), NEVER);
  assertEquals(store.asked.slice(1), ["create", "part", "part", "complete"]);
});

Deno.test("the uploader begins an upload anew that vanished, a few times", async () => {
  for (const [vanishings, error] of [[2, undefined], [3, RetriableError]] as const) {
    const store = new FakeStore();
    let left = vanishings as number;
    store.before = (operation) => {
      if (operation === "complete" && left-- > 0) store.uploads.clear();
    };
    const put = uploader(store).put(large, NEVER);
    if (error === undefined) await put;
    else await assertRejects(() => put, error, "vanished 3 times");
    assertEquals(store.asked.filter((operation) => operation === "create").length, 3);
  }
});

Deno.test("the uploader stops the other parts before it drops an upload", async () => {
  const store = new FakeStore();
  store.before = async (operation, _, partNumber) => {
    if (operation !== "part") return;
    if (partNumber === 2) throw new FatalError("refused");
    await new Promise(() => {}); // the others hang, also when they are told to end
  };
  await assertRejects(() => uploader(store).put(large, NEVER), FatalError, "refused");
  assertEquals(store.asked, ["create", "part", "part", "abort"]);
  assertEquals(store.uploads.size, 0);
});

Deno.test("the uploader takes requests for dead by the size of their body", async () => {
  const store = new FakeStore();
  const clock = new ManualClock();
  const server = { bucket: "events", endpoint: "http://s3", accessKey: "a", secretAccessKey: "b" };
  const settings = s3Settings(s3Config(server, { partByteLength: 5 * MB, requestTimeoutMs: 30_000 }));
  const target = new Uploader(store, settings, testRuntime({ clock }));
  const hanging = Promise.withResolvers<void>();
  store.before = () => {
    hanging.resolve();
    return new Promise(() => {});
  };
  const controller = new AbortController();
  let failed = false;
  const put = assertRejects(() => target.put(storedObject("k", patternBytes(MB, 1)), controller.signal));
  const settled = put.then(() => failed = true);
  await hanging.promise;
  clock.advance(30_000 + 4_000 - 1); // a second for each 256 kB
  assertEquals(store.bodyBytes, MB);
  clock.advance(1);
  while (clock.sleeping === 0) await Promise.resolve(); // the pause before the next try
  assert(!failed);
  controller.abort(new Error("stopping"));
  await settled;
});

Deno.test("the uploader's close waits for what tidies up after an aborted put", async () => {
  const store = new FakeStore();
  const target = uploader(store);
  const uploading = Promise.withResolvers<void>(), aborting = Promise.withResolvers<void>();
  store.before = (operation) => {
    if (operation === "abort") return aborting.promise;
    if (operation !== "part") return;
    uploading.resolve();
    return new Promise(() => {});
  };
  const controller = new AbortController();
  const put = assertRejects(() => target.put(large, controller.signal));
  await uploading.promise;
  controller.abort(new Error("stopping"));
  await put;
  assertEquals(store.uploads.size, 1);
  const closed = target.close();
  aborting.resolve();
  await closed;
  assertEquals(store.uploads.size, 0);
  assertEquals(store.asked.filter((operation) => operation === "abort").length, 1);
});
