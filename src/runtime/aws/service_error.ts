import { type CollectorError, FatalError, RetriableError } from "../errors.ts";

/** What is known about a request that failed. */
export interface RequestPlace {
  /** For messages: "GetRecords of stream events at AWS region eu-west-1". */
  readonly what: string;
  /** The right that it needs: "kinesis:GetRecords". */
  readonly right: string;
  /** What to do when the thing it is about isn't there: "create the stream, or correct kinesis.stream". */
  readonly whenMissing: string;
  /** True when the keys come from the config: they stay as they are, so an expired token is final. */
  readonly fixedKeys: boolean;
}

const THROTTLED =
  /^(ProvisionedThroughputExceeded.*|LimitExceeded.*|.*Throttl.*|TooManyRequests.*|RequestLimitExceeded|SlowDown|ServiceUnavailable.*)$/;
const EXPIRED = /^(ExpiredToken.*|TokenRefreshRequired)$/;

/** Refusals (status 4xx) that may pass nevertheless. */
const PASSING =
  /^(ResourceInUse.*|TransactionInProgress.*|RequestTimeout.*|RequestExpired|RequestTimeTooSkewed|Internal.*|CredentialsProviderError|TokenProviderError)$/;

const ADVICE: Readonly<Record<string, string>> = {
  UnrecognizedClientException: "correct aws.access-key, or the credentials of this machine",
  InvalidClientTokenId: "correct aws.access-key, or the credentials of this machine",
  InvalidSignatureException:
    "aws.secret-access-key does not belong to aws.access-key, or this machine's clock is wrong",
  SignatureDoesNotMatch: "aws.secret-access-key does not belong to aws.access-key, or this machine's clock is wrong",
  IncompleteSignature: "a proxy changes requests",
  MissingAuthenticationToken: "set aws.access-key and aws.secret-access-key, or give this machine a role",
};

/** Parts of an error of the SDK, of fetch, or of anything between. */
export interface Failure {
  /** "" when there was no answer. */
  readonly code: string;
  readonly message: string;
  /** 0 when there was no answer. */
  readonly status: number;
}

/** Reads what the SDK makes of an answer. */
export function readFailure(error: unknown): Failure {
  const { name, message, $metadata } = (error ?? {}) as {
    name?: unknown;
    message?: unknown;
    $metadata?: { httpStatusCode?: unknown };
  };
  const status = Number($metadata?.httpStatusCode ?? 0);
  const text = typeof name === "string" ? name : "";
  const code = /^(Error|TypeError|ConnectionError|UnknownError|Unknown|\d+)$/.test(text) ? "" : text;
  const said = typeof message === "string" && message !== "UnknownError" ? message : "";
  return { code, message: said !== "" ? said : status > 0 ? `status ${status}` : String(error), status };
}

/**
 * What an error of a request to a service of AWS means for the caller: RetriableError when a later try may succeed (also
 * for everything unknown that came without an answer), else FatalError, with what to do.
 */
export function serviceError(error: unknown, { what, right, whenMissing, fixedKeys }: RequestPlace): CollectorError {
  if (error instanceof FatalError || error instanceof RetriableError) return error;
  const { code, message, status } = readFailure(error);
  const said = [code, message].filter((part) => part !== "").join(": ");
  const throttled = THROTTLED.test(code) || status === 429 || status === 503;
  const skewed = /^InvalidSignature/.test(code) && /expired|not yet current/i.test(message);
  if (
    throttled || skewed || PASSING.test(code) || status < 300 || status === 408 || status >= 500 ||
    (EXPIRED.test(code) && !fixedKeys)
  ) {
    return new RetriableError(`cannot ${what}: ${said}`, { cause: error, throttled });
  }
  let advice = ADVICE[code] ?? "";
  if (EXPIRED.test(code)) advice = "the session token has ended: set new keys, or use a role";
  else if (/^AccessDenied|^KMSAccessDenied|^NotAuthorized/.test(code)) advice = `allow these credentials ${right}`;
  else if (/^ResourceNotFound/.test(code)) advice = whenMissing;
  else if (advice === "" && status === 403) advice = `allow these credentials ${right}`;
  return new FatalError([`cannot ${what}: ${said}`, advice].filter((part) => part !== "").join(": "), { cause: error });
}
