/**
 * The token that Amazon MSK takes as an OAUTHBEARER login: a presigned `kafka-cluster:Connect` URL, base64url.
 * https://github.com/aws/aws-msk-iam-sasl-signer-js describes it; Signature Version 4 is
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
 */
import { createHash, createHmac } from "node:crypto";
import { createFetchHandler } from "../../../runtime/aws/fetch_handler.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const EXPIRES_SECONDS = 900;

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function hmac(key: string | Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}

/** Signs for `region`; `nowMs` is wall time. Good for 15 minutes. */
export function signMskToken(region: string, credentials: AwsCredentials, nowMs: number): string {
  const host = `kafka.${region}.amazonaws.com`;
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, ""); // 20260102T030405Z
  const scope = `${time.slice(0, 8)}/${region}/kafka-cluster/aws4_request`;
  const query: [string, string][] = [
    ["Action", "kafka-cluster:Connect"],
    ["X-Amz-Algorithm", "AWS4-HMAC-SHA256"],
    ["X-Amz-Credential", `${credentials.accessKeyId}/${scope}`],
    ["X-Amz-Date", time],
    ["X-Amz-Expires", String(EXPIRES_SECONDS)],
  ];
  if (credentials.sessionToken !== undefined) query.push(["X-Amz-Security-Token", credentials.sessionToken]);
  query.push(["X-Amz-SignedHeaders", "host"]);
  const queryText = query.map(([name, value]) => `${name}=${encode(value)}`).join("&");
  const emptyHash = createHash("sha256").update("").digest("hex");
  const canonical = ["GET", "/", queryText, `host:${host}\n`, "host", emptyHash].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  let key: Uint8Array = new TextEncoder().encode(`AWS4${credentials.secretAccessKey}`);
  for (const part of scope.split("/")) key = hmac(key, part);
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  const url = `https://${host}/?${queryText}&X-Amz-Signature=${signature}&User-Agent=collector`;
  return btoa(url).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Tokens from the machine's own AWS credentials (environment, profile, container, instance), which are asked for anew when
 * they are about to end.
 *
 * The function throws RetriableError when there are none: an instance's may come late.
 */
export function mskIamTokens(region: string, { clock }: Runtime): () => Promise<string> {
  let provider: (() => Promise<AwsCredentials>) | undefined;
  return async () => {
    let credentials: AwsCredentials;
    try {
      provider ??= await machineCredentials(region);
      credentials = await provider();
    } catch (cause) {
      throw new RetriableError(
        `This machine has no AWS credentials for kafka.sasl.mechanism=AWS_MSK_IAM: ${(cause as Error).message}`,
        { cause },
      );
    }
    return signMskToken(region, credentials, clock.now());
  };
}

/** One for all logins: it keeps the credentials that it found. */
async function machineCredentials(region: string): Promise<() => Promise<AwsCredentials>> {
  const { defaultProvider } = await import("@aws-sdk/credential-provider-node"); // large, and rarely needed
  const { handler } = createFetchHandler();
  return defaultProvider({ clientConfig: { region, requestHandler: handler } });
}
