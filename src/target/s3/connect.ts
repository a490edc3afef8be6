import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { FatalError, messageOf } from "../../runtime/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { SdkObjectStore } from "./client.ts";
import { describe, NO_CREDENTIALS } from "./errors.ts";
import { createFetchHandler } from "../../runtime/aws/fetch_handler.ts";
import type { ObjectStore } from "./object_store.ts";
import type { S3Settings } from "./options.ts";

function clientConfig(settings: S3Settings, requestHandler: S3ClientConfig["requestHandler"]): S3ClientConfig {
  const { accessKey, secretAccessKey, sessionToken } = settings;
  return {
    region: settings.region,
    endpoint: settings.endpoint,
    forcePathStyle: settings.pathStyle,
    credentials: accessKey === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId: accessKey, secretAccessKey, sessionToken },
    // Shared files are read once a client, not once a process: keys that were renewed there are found by a new client.
    credentialDefaultProvider: (init) => defaultProvider({ ...init, ignoreCache: true }),
    requestHandler,
    maxAttempts: 1,
    // Checksums are given with each request; those that the SDK adds by itself come as trailers, which stores refuse.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Servers on one supported runtime never answer it.
    expectContinueHeader: false,
  };
}

/**
 * Connects to the store of the settings: finds the region and the credentials, sends nothing to the bucket yet.
 *
 * @throws FatalError when there is no region or there are no credentials.
 */
export async function openObjectStore(settings: S3Settings, clock: Clock): Promise<ObjectStore> {
  const { handler, close, serverTimeMs } = createFetchHandler();
  const probe = new S3Client(clientConfig(settings, handler));
  try {
    const region = await findRegion(probe, settings);
    await findCredentials(probe, settings);
    const found = { ...settings, region };
    const connect = () => new S3Client(clientConfig(found, handler));
    return new SdkObjectStore(found, clock, { connect, serverTimeMs, close });
  } catch (error) {
    close();
    throw error;
  }
}

async function findRegion(client: S3Client, settings: S3Settings): Promise<string> {
  try {
    return await client.config.region();
  } catch (cause) {
    // Stores other than AWS have no regions, but a signature needs one; this is what they expect.
    if (settings.endpoint !== undefined) return "us-east-1";
    throw new FatalError("the region of the bucket is not known: set target.aws.region", { cause });
  }
}

async function findCredentials(client: S3Client, settings: S3Settings): Promise<void> {
  try {
    await client.config.credentials();
  } catch (cause) {
    const reason = messageOf(cause);
    const what = describe({ operation: "PutObject", settings });
    throw new FatalError(`no credentials for ${what}: ${reason}: ${NO_CREDENTIALS}`, { cause });
  }
}
