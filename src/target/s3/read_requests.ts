import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import type { Operation } from "./errors.ts";
import {
  type BodyRequest,
  type ListPage,
  type ObjectBody,
  ObjectChangedError,
  type ObjectStore,
} from "./object_store.ts";

export interface ReadContext {
  readonly bucket: string;
  /** The client of the moment: it is replaced when its credentials end. */
  client(): S3Client;
  /** What an error means, see ObjectStore. */
  translate(error: unknown, operation: Operation, key?: string): Error;
}

/** A body whose length the answer may not say. */
type SomeBody = Omit<ObjectBody, "byteLength"> & { readonly byteLength: number | undefined };

/** The requests of ObjectStore that list, read and delete, through the AWS SDK. */
export class ReadRequests implements Pick<ObjectStore, "list" | "get" | "delete"> {
  readonly #context: ReadContext;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  async list(prefix: string, token: string | undefined, signal: AbortSignal): Promise<ListPage> {
    const command = new ListObjectsV2Command({
      Bucket: this.#context.bucket,
      Prefix: prefix,
      ContinuationToken: token,
      EncodingType: "url", // XML can't hold every key
    });
    const answer = await this.#context.client().send(command, { abortSignal: signal }).catch((error) => {
      throw this.#context.translate(error, "ListObjectsV2");
    });
    if (answer.KeyCount === undefined && answer.Name === undefined) throw this.#strange("ListObjectsV2");
    const decode = (key: string) => answer.EncodingType === "url" ? decodeURIComponent(key.replaceAll("+", " ")) : key;
    const objects = (answer.Contents ?? []).map(({ Key, Size }) => {
      if (Key === undefined || Size === undefined) throw this.#strange("ListObjectsV2");
      return { key: decode(Key), byteLength: Size };
    });
    if (answer.IsTruncated && answer.NextContinuationToken === undefined) throw this.#strange("ListObjectsV2");
    return { objects, token: answer.IsTruncated ? answer.NextContinuationToken : undefined };
  }

  async get(request: BodyRequest, signal: AbortSignal): Promise<ObjectBody | null> {
    // fetch unpacks what the store calls gzip in Content-Encoding, and then says no length: have it called something else.
    for (const encoding of [undefined, "identity"]) {
      const body = await this.#get(request, encoding, signal);
      if (body === null || hasLength(body)) return body;
      await body.stream.cancel().catch(() => {});
    }
    const error = new Error("the answer has no Content-Length: a proxy changes it");
    throw this.#context.translate(error, "GetObject", request.key);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#context.bucket, Key: key });
    try {
      await this.#context.client().send(command, { abortSignal: signal });
    } catch (error) {
      if (nameOf(error) !== "NoSuchKey") throw this.#context.translate(error, "DeleteObject", key);
    }
  }

  async #get(
    { key, from, etag }: BodyRequest,
    encoding: string | undefined,
    signal: AbortSignal,
  ): Promise<SomeBody | null> {
    const command = new GetObjectCommand({
      Bucket: this.#context.bucket,
      Key: key,
      Range: from > 0 ? `bytes=${from}-` : undefined,
      IfMatch: etag,
      ResponseContentEncoding: encoding,
    });
    try {
      const { Body, ContentLength, ContentRange, ETag } = await this.#context.client().send(command, {
        abortSignal: signal,
      });
      if (Body === undefined || ETag === undefined) throw this.#strange("GetObject", key);
      const stream = Body as unknown as ReadableStream<Uint8Array>;
      if (from > 0 && !ContentRange?.startsWith(`bytes ${from}-`)) {
        await stream.cancel().catch(() => {});
        throw new Error("the store does not answer for a range of bytes");
      }
      return { byteLength: ContentLength, etag: ETag, stream };
    } catch (error) {
      if (nameOf(error) === "NoSuchKey") return null;
      if (nameOf(error) === "PreconditionFailed") throw new ObjectChangedError(key, { cause: error });
      throw this.#context.translate(error, "GetObject", key);
    }
  }

  /** A success without the usual fields came from something else than a store: it proves nothing. */
  #strange(operation: Operation, key?: string): Error {
    return this.#context.translate(new Error("the answer is not one of S3"), operation, key);
  }
}

function hasLength(body: SomeBody): body is ObjectBody {
  return body.byteLength !== undefined;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}
