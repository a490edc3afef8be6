import type { KafkaConfig } from "./options.ts";
import { mskIamToken } from "./msk_iam.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { withTimeout } from "./timeout.ts";

/** What kafkajs' authenticators read (src/broker/saslAuthenticator). */
export interface SaslSettings {
  readonly mechanism: string;
  readonly username?: string;
  readonly password?: string;
  oauthBearerProvider?(): Promise<{ value: string; extensions?: Record<string, string> }>;
}

/** A token is asked for again when less than this is left of it. */
const TOKEN_MARGIN_MS = 30_000;

/** RFC 6749 section 4.4: client credentials for a token. */
async function requestToken(config: KafkaConfig): Promise<{ value: string; lifetimeMs: number }> {
  const url = config.oauthTokenEndpoint!;
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  if (config.oauthScope !== undefined) body.set("scope", config.oauthScope);
  const credentials = `${encodeURIComponent(config.oauthClientId ?? "")}:${
    encodeURIComponent(config.oauthClientSecret ?? "")
  }`;
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(credentials)}` },
    body,
  });
  const text = await response.text();
  // The body may repeat credentials: it isn't shown.
  if (!response.ok) throw new Error(`token endpoint ${url} answered ${response.status}`);
  const answer = JSON.parse(text) as { access_token?: unknown; expires_in?: unknown };
  if (typeof answer.access_token !== "string") throw new Error(`token endpoint ${url} answered without access_token`);
  return { value: answer.access_token, lifetimeMs: Number(answer.expires_in ?? 60) * 1000 };
}

function oauthProvider(config: KafkaConfig, runtime: Runtime): () => Promise<{ value: string }> {
  let token: { value: string; goodUntilMs: number } | undefined;
  return async () => {
    if (config.oauthTokenFile !== undefined) {
      return { value: (await Deno.readTextFile(config.oauthTokenFile)).trim() };
    }
    if (token === undefined || token.goodUntilMs < runtime.clock.monotonicMs()) {
      const timeout = { timeoutMs: config.requestTimeoutMs, what: "the OAuth token endpoint", runtime };
      const { value, lifetimeMs } = await withTimeout(requestToken(config), timeout);
      token = { value, goodUntilMs: runtime.clock.monotonicMs() + lifetimeMs - TOKEN_MARGIN_MS };
    }
    return { value: token.value };
  };
}

/** How to log in, from the config; null for not at all. */
export function saslSettings(config: KafkaConfig, runtime: Runtime): SaslSettings | null {
  if (!config.securityProtocol.startsWith("SASL")) return null;
  const mechanism = config.saslMechanism ?? "PLAIN";
  switch (mechanism) {
    case "OAUTHBEARER":
      return { mechanism, oauthBearerProvider: oauthProvider(config, runtime) };
    case "AWS_MSK_IAM":
      // The brokers' other name for the same login: a signed URL as the bearer token.
      return {
        mechanism: "OAUTHBEARER",
        oauthBearerProvider: async () => ({ value: await mskIamToken(config, runtime.clock.now()) }),
      };
    default:
      return { mechanism, username: config.saslUsername, password: config.saslPassword };
  }
}
