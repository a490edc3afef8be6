import type { ListedObject, StoredObject } from "../target.ts";

/** What is known of an object before its first byte is sent. Keys include the target's prefix. */
export interface ObjectHead {
  readonly key: string;
  readonly contentType: string;
  readonly purpose: StoredObject["purpose"];
}

/** An object that goes in one request. */
export interface WholeObject extends ObjectHead {
  /** In one piece, since requests need a body of known length. Not changed by the store. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the body, raw (32 bytes). */
  readonly sha256: Uint8Array;
}

/** A multipart upload that was begun and is neither complete nor aborted. Its parts cost money until it is. */
export interface Upload {
  readonly key: string;
  readonly uploadId: string;
}

export interface UploadPart extends Upload {
  /** 1 to 10,000. */
  readonly partNumber: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What the store answered for a part, to be sent back when the upload is completed. */
export interface StoredPart {
  readonly partNumber: number;
  readonly etag: string;
  /** The checksum that went with the part, base64; undefined when none did. */
  readonly checksum: string | undefined;
}

export interface BucketInfo {
  /** "denied": it exists, but these credentials may not ask about it (they may be able to write all the same). */
  readonly access: "granted" | "denied";
  /** The server's wall time, epoch ms; undefined when it didn't say. */
  readonly serverTimeMs: number | undefined;
}

/** A page of a listing. Keys include the target's prefix. */
export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** Asks for the next page; undefined after the last one. */
  readonly token: string | undefined;
}

/** What of an object is asked for. */
export interface BodyRequest {
  readonly key: string;
  /** The first byte that is wanted, for going on after a broken connection; 0 for all. */
  readonly from: number;
  /** The etag that the object must have; undefined for any. */
  readonly etag: string | undefined;
}

/** An object that is being read. */
export interface ObjectBody {
  /** Bytes from `from` on, as the store announced them. */
  readonly byteLength: number;
  /** Changes with the contents. */
  readonly etag: string;
  /** May break off, by an error or early: compare with `byteLength`. Cancelled by whoever doesn't read it to its end. */
  readonly stream: ReadableStream<Uint8Array>;
}

/**
 * The few requests of S3 that the target makes, each tried once. Everything rejects with RetriableError (a later try
 * may succeed) or FatalError; an aborted signal ends a request with any error. Requests may succeed although their
 * answer is lost: all are safe to repeat.
 */
export interface ObjectStore {
  /** Stores an object, replacing one of the same key whole. Durable when resolved. */
  put(object: WholeObject, signal: AbortSignal): Promise<void>;
  /** Begins a multipart upload; resolves to its id. Nobody sees the object before `completeUpload`. */
  createUpload(object: ObjectHead, signal: AbortSignal): Promise<string>;
  /** Stores a part, replacing one of the same number. @throws UploadGoneError when there is no such upload. */
  uploadPart(part: UploadPart, signal: AbortSignal): Promise<StoredPart>;
  /** Makes the parts, ascending by number, the object. @throws UploadGoneError as after a complete whose answer was lost. */
  completeUpload(upload: Upload, parts: readonly StoredPart[], signal: AbortSignal): Promise<void>;
  /** Drops an upload and its parts. Resolves also when there is none. */
  abortUpload(upload: Upload, signal: AbortSignal): Promise<void>;
  /** A page of the objects whose keys begin with `prefix`, in the store's order: by the bytes of the keys, mostly. */
  list(prefix: string, token: string | undefined, signal: AbortSignal): Promise<ListPage>;
  /** Begins to read an object; null when there is none. The signal ends the body, too. @throws ObjectChangedError */
  get(request: BodyRequest, signal: AbortSignal): Promise<ObjectBody | null>;
  /** Deletes an object. Resolves also when there is none. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** What an error in the middle of an object's body means. */
  bodyError(error: unknown, key: string): Error;
  /** Whether the bucket is there. @throws FatalError when it isn't, or is in another region. */
  describeBucket(signal: AbortSignal): Promise<BucketInfo>;
  /** Closes its connections. Twice is safe. */
  close(): void;
}

/** The upload was completed or aborted meanwhile, by a request whose answer was lost or by somebody else: begin anew. */
export class UploadGoneError extends Error {
  override readonly name = "UploadGoneError";
}

/** The object was replaced by another one since its first bytes were read: begin anew. */
export class ObjectChangedError extends Error {
  override readonly name = "ObjectChangedError";
}
