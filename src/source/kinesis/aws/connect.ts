import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { KinesisClient, type KinesisClientConfig } from "@aws-sdk/client-kinesis";
import { assumeRole } from "../../../runtime/aws/assume_role.ts";
import { createFetchHandler, type FetchHandler } from "../../../runtime/aws/fetch_handler.ts";
import type { QueryCredentials } from "../../../runtime/aws/signed_query.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import { retry } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { withTimeLimit } from "../../../runtime/time_limit.ts";
import { readFailure } from "../../../runtime/aws/service_error.ts";
import type { KinesisSettings } from "../settings.ts";

/** What the clients of the three services share. */
export interface AwsConnection {
  readonly settings: KinesisSettings;
  readonly clientConfig: Pick<KinesisClientConfig, "region" | "credentials" | "requestHandler" | "maxAttempts">;
  readonly region: string;
  readonly credentials: () => Promise<QueryCredentials>;
  readonly fetchHandler: FetchHandler;
  readonly clock: Clock;
  /** "AWS region eu-west-1", or the endpoint: for messages. */
  where(endpoint: string | undefined): string;
  onTableCall(operation: string): void;
  serverTimeMs(): number | undefined;
  close(): void;
}

const CREDENTIAL_RETRIES = { baseDelayMs: 200, maxDelayMs: 2_000, maxAttempts: 3 };

/**
 * Finds the region and the credentials; asks nothing of the stream or the table yet.
 *
 * @throws FatalError when there are none, or the role can't be assumed.
 */
export async function connectToAws(
  settings: KinesisSettings,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<AwsConnection> {
  const fetchHandler = createFetchHandler();
  try {
    const { clock, metrics } = runtime;
    const base = baseConfig(settings, fetchHandler);
    const probe = new KinesisClient(base);
    const region = await findRegion(probe, settings);
    let credentials: KinesisClientConfig["credentials"] = base.credentials;
    if (settings.assumeRole !== undefined) {
      const caller = new KinesisClient({ ...base, region });
      credentials = assumeRole({
        roleArn: settings.assumeRole,
        externalId: settings.assumeRoleExternalId,
        sessionName: settings.workerId ?? "collector",
        region,
        endpoint: settings.stsEndpoint,
        credentials: () => caller.config.credentials(),
        fetchHandler,
        clock,
      });
    }
    const clientConfig = { ...base, region, ...(credentials === undefined ? {} : { credentials }) };
    const client = new KinesisClient(clientConfig);
    await findCredentials(() => client.config.credentials(), { settings, runtime, signal });
    return {
      settings,
      clientConfig,
      region,
      credentials: () => client.config.credentials(),
      fetchHandler,
      clock,
      where: (endpoint) => endpoint ?? `AWS region ${region}`,
      onTableCall: (operation) => metrics.count("collector_kinesis_table_calls_total", 1, { operation }),
      serverTimeMs: () => fetchHandler.serverTimeMs(),
      close: () => fetchHandler.close(),
    };
  } catch (error) {
    fetchHandler.close();
    throw error;
  }
}

function baseConfig(settings: KinesisSettings, { handler }: FetchHandler): KinesisClientConfig {
  const { accessKey, secretAccessKey, sessionToken } = settings;
  return {
    region: settings.region,
    credentials: accessKey === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId: accessKey, secretAccessKey, sessionToken },
    // Shared files are read once a client, not once a process: keys that were renewed there are found by a new client.
    credentialDefaultProvider: (init) => defaultProvider({ ...init, ignoreCache: true }),
    requestHandler: handler,
    maxAttempts: 1,
  };
}

async function findRegion(client: KinesisClient, settings: KinesisSettings): Promise<string> {
  try {
    return await client.config.region();
  } catch (cause) {
    // Servers other than AWS have no regions, but a signature needs one.
    if (settings.kinesisEndpoint !== undefined) return "us-east-1";
    throw new FatalError("the region of the stream is not known: set aws.region", { cause });
  }
}

async function findCredentials(
  credentials: () => Promise<unknown>,
  { settings, runtime, signal }: { settings: KinesisSettings; runtime: Runtime; signal: AbortSignal },
): Promise<void> {
  const role = settings.assumeRole;
  const what = role === undefined ? "find credentials" : `assume the role ${role}`;
  const limit = { what, limitMs: settings.requestTimeoutMs, clock: runtime.clock, signal };
  const ask = () =>
    withTimeLimit(limit, async () => {
      try {
        await credentials();
      } catch (cause) {
        const { message, status } = readFailure(cause);
        if (role !== undefined && (status === 0 || status >= 500) && !/credential/i.test(message)) {
          throw new RetriableError(`cannot ${what}: ${message}`, { cause });
        }
        const advice = role === undefined
          ? "set aws.access-key and aws.secret-access-key, or give this machine a role"
          : "see that its trust policy allows these credentials, and the external id";
        throw new FatalError(`cannot ${what}: ${message}: ${advice}`, { cause });
      }
    });
  await retry("kinesis credentials", ask, { policy: CREDENTIAL_RETRIES, runtime, signal });
}
