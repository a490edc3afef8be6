import type { Clock } from "../clock.ts";
import type { FetchHandler } from "./fetch_handler.ts";
import { type QueryCredentials, readAnswer, serviceEndpoint, signedQuery, xmlText } from "./signed_query.ts";

/** Credentials that end. */
export interface RoleCredentials extends QueryCredentials {
  readonly expiration: Date;
}

export interface AssumeRoleOptions {
  readonly roleArn: string;
  readonly externalId: string | undefined;
  readonly sessionName: string;
  readonly region: string;
  /** Undefined for the region's own. */
  readonly endpoint: string | undefined;
  /** Who asks. */
  readonly credentials: () => Promise<QueryCredentials>;
  readonly fetchHandler: FetchHandler;
  readonly clock: Clock;
}

/** Asks for the credentials of a role; the SDK asks again before they end. */
export function assumeRole(options: AssumeRoleOptions): () => Promise<RoleCredentials> {
  const { roleArn, externalId, sessionName, region, endpoint, fetchHandler, clock } = options;
  return async () => {
    const request = signedQuery({
      endpoint: endpoint ?? serviceEndpoint("sts", region),
      region,
      service: "sts",
      credentials: await options.credentials(),
      parameters: {
        Action: "AssumeRole",
        Version: "2011-06-15",
        RoleArn: roleArn,
        RoleSessionName: sessionName.replace(/[^\w+=,.@-]/g, "-").slice(0, 64),
        ...(externalId === undefined ? {} : { ExternalId: externalId }),
      },
      nowMs: fetchHandler.serverTimeMs() ?? clock.now(),
    });
    const xml = await readAnswer(await fetchHandler.send(request));
    const [accessKeyId, secretAccessKey, sessionToken, expiration] = [
      "AccessKeyId",
      "SecretAccessKey",
      "SessionToken",
      "Expiration",
    ]
      .map((element) => xmlText(xml, element));
    if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error("the answer holds no credentials");
    return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(expiration ?? NaN) };
  };
}
