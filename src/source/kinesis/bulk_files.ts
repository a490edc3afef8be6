import type { S3Client } from "@aws-sdk/client-s3";
import { readFailure, serviceError } from "../../runtime/aws/service_error.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../../runtime/retry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { withTimeLimit } from "../../runtime/time_limit.ts";
import type { FileStore } from "../../records/bulk_parts.ts";
import type { AwsConnection } from "./aws/connect.ts";
import type { KinesisSettings } from "./settings.ts";

/** A file is given up, and tried again, when it isn't there after this time. */
const READ_LIMIT_MS = 120_000;

/** The bulk files in S3 that Kinesis records name. Nothing is connected, and no SDK loaded, before the first one. */
export class BulkFiles implements FileStore {
  readonly #settings: KinesisSettings;
  readonly #bucket: string;
  readonly #runtime: Runtime;
  #connection: AwsConnection | null = null;
  #client: S3Client | null = null;

  constructor(settings: KinesisSettings, bucket: string, runtime: Runtime) {
    this.#settings = settings;
    this.#bucket = bucket;
    this.#runtime = runtime;
  }

  async read(key: string, maxByteLength: number, signal: AbortSignal): Promise<Uint8Array | null> {
    const { accessKey, bulkEndpoint } = this.#settings;
    const what = `GetObject s3://${this.#bucket}/${key}${bulkEndpoint === undefined ? "" : ` at ${bulkEndpoint}`}`;
    return await retry("bulk file", async () => {
      try {
        return await withTimeLimit(
          { what, limitMs: READ_LIMIT_MS, clock: this.#runtime.clock, signal },
          (limited) => this.#get(key, maxByteLength, limited),
        );
      } catch (error) {
        if (signal.aborted) throw error;
        if (/^(NoSuchKey|NotFound)$/.test(readFailure(error).code)) return null;
        const fixedKeys = accessKey !== undefined;
        throw serviceError(error, {
          what,
          right: "s3:GetObject",
          whenMissing: "correct aws.s3-bulk-bucket",
          fixedKeys,
        });
      }
    }, { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal });
  }

  close(): void {
    this.#client?.destroy();
    this.#connection?.close();
    this.#client = this.#connection = null;
  }

  async #get(key: string, maxByteLength: number, signal: AbortSignal): Promise<Uint8Array | null> {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const client = this.#client ??= await this.#connect(signal);
    const { Body, ContentLength } = await client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }), {
      abortSignal: signal,
    });
    if (Body === undefined) return new Uint8Array(0);
    if (ContentLength === undefined || ContentLength > maxByteLength) {
      await Body.transformToWebStream().cancel();
      return null;
    }
    const bytes = await Body.transformToByteArray();
    // It is handed over to a worker with its buffer, which must hold nothing else.
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  }

  async #connect(signal: AbortSignal): Promise<S3Client> {
    const { S3Client } = await import("@aws-sdk/client-s3");
    const { connectToAws } = await import("./aws/connect.ts");
    const { bulkEndpoint } = this.#settings;
    const connection = this.#connection ??= await connectToAws(this.#settings, this.#runtime, signal);
    const { region, credentials, requestHandler } = connection.clientConfig;
    return new S3Client({
      region,
      credentials,
      requestHandler: requestHandler as never,
      maxAttempts: 1,
      endpoint: bulkEndpoint,
      forcePathStyle: bulkEndpoint !== undefined,
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  }
}
