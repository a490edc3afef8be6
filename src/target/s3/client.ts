import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadBucketCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { contentTypeOf } from "../../encode/options.ts";
import type { Clock } from "../../runtime/clock.ts";
import { checksumFields, payloadHash } from "./checksum.ts";
import { EXPIRED, type Operation, s3Error } from "./errors.ts";
import {
  type BodyRequest,
  type BucketInfo,
  type ListPage,
  type ObjectBody,
  type ObjectHead,
  type ObjectStore,
  type StoredPart,
  type Upload,
  UploadGoneError,
  type UploadPart,
  type WholeObject,
} from "./object_store.ts";
import type { S3Settings } from "./options.ts";
import { ReadRequests } from "./read_requests.ts";

/** How the store reaches its server. */
export interface Connection {
  /** A new client over the same connections. */
  connect(): S3Client;
  /** The wall time that the last answer gave, epoch ms; undefined when it gave none. */
  serverTimeMs(): number | undefined;
  /** Closes all connections. Twice is safe. */
  close(): void;
}

/** What the SDK passes to a middleware, of what is needed here. */
interface HttpRequest {
  readonly headers: Record<string, string>;
}

/** The store behind the AWS SDK. Its own retries are off: whoever calls decides what is tried again. */
export class SdkObjectStore implements ObjectStore {
  readonly #settings: S3Settings;
  readonly #clock: Clock;
  readonly #connection: Connection;
  /** The hash of a request's body, which its signature covers; the SDK would compute it once more. */
  readonly #payloadHashes = new WeakMap<object, string>();
  readonly #reads: ReadRequests;
  #client: S3Client;

  constructor(settings: S3Settings, clock: Clock, connection: Connection) {
    this.#settings = settings;
    this.#clock = clock;
    this.#connection = connection;
    this.#client = this.#connect();
    this.#reads = new ReadRequests({
      bucket: settings.bucket,
      client: () => this.#client,
      translate: (error, operation, key) => this.#translate(error, operation, key),
    });
  }

  async put(object: WholeObject, signal: AbortSignal): Promise<void> {
    const { sha256, ...fields } = await checksumFields(this.#settings.checksum, object.body, object.sha256);
    const command = new PutObjectCommand({
      ...this.#objectFields(object),
      Body: object.body,
      ContentLength: object.body.length,
      ...fields,
    });
    this.#payloadHashes.set(object.body, await payloadHash(object.body, false, sha256 ?? object.sha256));
    const { ETag } = await this.#try(
      "PutObject",
      object.key,
      () => this.#client.send(command, { abortSignal: signal }),
    );
    this.#mustHave(ETag, "PutObject", object.key);
  }

  async createUpload(object: ObjectHead, signal: AbortSignal): Promise<string> {
    const { checksum } = this.#settings;
    const command = new CreateMultipartUploadCommand({
      ...this.#objectFields(object),
      ChecksumAlgorithm: checksum === "none" ? undefined : checksum,
    });
    const send = () => this.#client.send(command, { abortSignal: signal });
    const { UploadId } = await this.#try("CreateMultipartUpload", object.key, send);
    return this.#mustHave(UploadId, "CreateMultipartUpload", object.key);
  }

  async uploadPart({ key, uploadId, partNumber, body }: UploadPart, signal: AbortSignal): Promise<StoredPart> {
    const { sha256, ...fields } = await checksumFields(this.#settings.checksum, body);
    const command = new UploadPartCommand({
      Bucket: this.#settings.bucket,
      Key: key,
      UploadId: uploadId,
      PartNumber: partNumber,
      Body: body,
      ContentLength: body.length,
      ...fields,
    });
    this.#payloadHashes.set(body, await payloadHash(body, this.#unsigned(), sha256));
    const { ETag } = await this.#try("UploadPart", key, () => this.#client.send(command, { abortSignal: signal }));
    return {
      partNumber,
      etag: this.#mustHave(ETag, "UploadPart", key),
      checksum: fields.ChecksumSHA256 ?? fields.ChecksumCRC32,
    };
  }

  async completeUpload({ key, uploadId }: Upload, parts: readonly StoredPart[], signal: AbortSignal): Promise<void> {
    const checksumName = this.#settings.checksum === "CRC32" ? "ChecksumCRC32" : "ChecksumSHA256";
    const command = new CompleteMultipartUploadCommand({
      Bucket: this.#settings.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: {
        Parts: parts.map(({ partNumber, etag, checksum }) => ({
          PartNumber: partNumber,
          ETag: etag,
          [checksumName]: checksum,
        })),
      },
    });
    const send = () => this.#client.send(command, { abortSignal: signal });
    const { ETag } = await this.#try("CompleteMultipartUpload", key, send);
    this.#mustHave(ETag, "CompleteMultipartUpload", key);
  }

  async abortUpload({ key, uploadId }: Upload, signal: AbortSignal): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: this.#settings.bucket, Key: key, UploadId: uploadId });
    const send = () => this.#client.send(command, { abortSignal: signal });
    try {
      await this.#try("AbortMultipartUpload", key, send);
    } catch (error) {
      if (!(error instanceof UploadGoneError)) throw error;
    }
  }

  list(prefix: string, token: string | undefined, signal: AbortSignal): Promise<ListPage> {
    return this.#reads.list(prefix, token, signal);
  }

  get(request: BodyRequest, signal: AbortSignal): Promise<ObjectBody | null> {
    return this.#reads.get(request, signal);
  }

  delete(key: string, signal: AbortSignal): Promise<void> {
    return this.#reads.delete(key, signal);
  }

  bodyError(error: unknown, key: string): Error {
    return this.#translate(error, "GetObject", key);
  }

  async describeBucket(signal: AbortSignal): Promise<BucketInfo> {
    const command = new HeadBucketCommand({ Bucket: this.#settings.bucket });
    try {
      await this.#client.send(command, { abortSignal: signal });
      return { access: "granted", serverTimeMs: this.#connection.serverTimeMs() };
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode === 403) {
        return { access: "denied", serverTimeMs: this.#connection.serverTimeMs() };
      }
      throw this.#translate(error, "HeadBucket");
    }
  }

  close(): void {
    this.#client.destroy();
    this.#connection.close();
  }

  /**
   * The fields of an object's first request. The class and encoding of rows are no business of manifests. Where a
   * Content-Encoding says how rows are compressed, the type is that of the rows themselves (RFC 9110, section 8.3).
   */
  #objectFields({ key, contentType, purpose }: ObjectHead) {
    const { bucket, storageClass, contentEncoding, tagging, acl, encryption, kmsKeyId } = this.#settings;
    const isData = purpose === "data";
    return {
      Bucket: bucket,
      Key: key,
      ContentType: isData && contentEncoding !== undefined ? contentTypeOf("none") : contentType,
      ContentEncoding: isData ? contentEncoding : undefined,
      StorageClass: isData ? storageClass : undefined,
      Tagging: tagging,
      ACL: acl,
      ServerSideEncryption: ({ "none": undefined, "SSE-S3": "AES256", "SSE-KMS": "aws:kms" } as const)[encryption],
      SSEKMSKeyId: kmsKeyId,
    };
  }

  /** TLS already proves the contents; then a part needs no hash of its own unless its checksum is one. */
  #unsigned(): boolean {
    return this.#settings.checksum !== "SHA256" && !this.#settings.endpoint?.startsWith("http:");
  }

  async #try<T>(operation: Operation, key: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw this.#translate(error, operation, key);
    }
  }

  #translate(error: unknown, operation: Operation, key?: string): Error {
    const name = error instanceof Error ? error.name : "";
    // A client remembers its credentials until their stated end; a new one asks for them again.
    if (EXPIRED.test(name)) this.#client = this.#connect();
    return s3Error(error, { operation, settings: this.#settings, key, nowMs: this.#clock.now() });
  }

  #connect(): S3Client {
    const client = this.#connection.connect();
    client.middlewareStack.add(
      (next) => (args) => {
        const body = "Body" in args.input ? args.input.Body : undefined;
        const hash = typeof body === "object" && body !== null ? this.#payloadHashes.get(body) : undefined;
        if (hash !== undefined) (args.request as HttpRequest).headers["x-amz-content-sha256"] = hash;
        return next(args);
      },
      { step: "build", name: "payloadHash" },
    );
    return client;
  }

  /** A success without the usual field came from something else than a store: it proves nothing. */
  #mustHave(value: string | undefined, operation: Operation, key: string): string {
    if (value !== undefined && value !== "") return value;
    throw this.#translate(new Error("the answer is not one of S3"), operation, key);
  }
}
