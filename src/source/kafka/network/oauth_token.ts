/** Bearer tokens for OAUTHBEARER, from a file or from a token endpoint (RFC 6749 section 4.4). */
import { redactUrls } from "../../../config/secrets.ts";
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type KafkaConfig, kafkaOptions } from "../options.ts";
import { withTimeout } from "./timeout.ts";

/** A token is asked for again when less than this is left of it. */
const TOKEN_MARGIN_MS = 30_000;
/** What a token is good for whose answer doesn't say it. */
const UNKNOWN_LIFETIME_MS = 60_000;

interface Token {
  readonly value: string;
  readonly lifetimeMs: number;
}

interface TokenAnswer {
  readonly access_token?: unknown;
  readonly expires_in?: unknown;
  readonly error?: unknown;
}

/** Undefined when the text is no JSON object. The text may hold a token: nothing of it may be shown. */
function parseAnswer(text: string): TokenAnswer | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === "object" && answer !== null ? answer : undefined;
  } catch {
    return undefined;
  }
}

async function requestToken(config: KafkaConfig): Promise<Token> {
  const url = config.oauthTokenEndpoint!, what = `OAuth token endpoint ${redactUrls(url)}`;
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  if (config.oauthScope !== undefined) body.set("scope", config.oauthScope);
  const names = [config.oauthClientId, config.oauthClientSecret];
  const credentials = names.map((name) => encodeURIComponent(name ?? "")).join(":");
  let response: Response, text: string;
  try {
    const headers = { authorization: `Basic ${btoa(credentials)}` };
    response = await fetch(url, { method: "POST", headers, body, redirect: "manual" }); // the secret goes nowhere else
    text = await response.text();
  } catch (cause) {
    throw new RetriableError(`${what} can't be reached: ${redactUrls((cause as Error).message)}`, { cause });
  }
  const { status } = response, answer = parseAnswer(text);
  if (!response.ok) {
    // The rest of the body may repeat credentials; this is a closed set of words (section 5.2).
    const reason = typeof answer?.error === "string" && /^[\w.-]{1,60}$/.test(answer.error) ? ` (${answer.error})` : "";
    const advice = `look at ${kafkaOptions.oauthClientId.key}, its secret and ${kafkaOptions.oauthScope.key}`;
    if (status < 500 && status !== 408 && status !== 429) {
      throw new FatalError(`${what} gives us no token, it answered ${status}${reason}: ${advice}`);
    }
    throw new RetriableError(`${what} answered ${status}${reason}`);
  }
  if (typeof answer?.access_token !== "string") throw new FatalError(`${what} answered without an access_token`);
  const lifetimeMs = Number(answer.expires_in) * 1000;
  return { value: answer.access_token, lifetimeMs: lifetimeMs > 0 ? lifetimeMs : UNKNOWN_LIFETIME_MS };
}

async function readToken(path: string): Promise<string> {
  const { key } = kafkaOptions.oauthTokenFile;
  let token: string;
  try {
    token = (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    throw new FatalError(`Cannot read ${path}, which ${key} names: ${(cause as Error).message}`, { cause });
  }
  if (token === "") throw new FatalError(`${path}, which ${key} names, is empty: it must hold the bearer token`);
  return token;
}

/**
 * Gives a token for each login: from the file, read anew; from the endpoint only when the last one is about to end.
 *
 * The function throws FatalError when there is none to be had, RetriableError when the endpoint can't be asked.
 */
export function oauthTokens(config: KafkaConfig, runtime: Runtime): () => Promise<string> {
  const path = config.oauthTokenFile;
  if (path !== undefined) return () => readToken(path);
  let last: { readonly value: string; readonly goodUntilMs: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask = async () => {
    const timeout = { timeoutMs: config.requestTimeoutMs, what: "the OAuth token endpoint", runtime };
    const { value, lifetimeMs } = await withTimeout(requestToken(config), timeout);
    last = { value, goodUntilMs: runtime.clock.monotonicMs() + lifetimeMs - TOKEN_MARGIN_MS };
    return value;
  };
  return () => {
    if (last !== undefined && last.goodUntilMs >= runtime.clock.monotonicMs()) return Promise.resolve(last.value);
    return asking ??= ask().finally(() => asking = undefined); // all connections at once, with one request
  };
}
