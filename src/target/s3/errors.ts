import { type CollectorError, FatalError, messageOf, RetriableError } from "../../runtime/errors.ts";
import { UploadGoneError } from "./object_store.ts";
import type { S3Settings } from "./options.ts";

/** The requests that are made, by the names of their rights. */
export type Operation =
  | "PutObject"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload"
  | "HeadBucket"
  | "ListObjectsV2"
  | "GetObject"
  | "DeleteObject";

/** Where an error happened, for its message. */
export interface ErrorPlace {
  readonly operation: Operation;
  readonly settings: S3Settings;
  /** Undefined for requests about the bucket. */
  readonly key?: string;
  /** Wall time now, epoch ms. */
  readonly nowMs: number;
}

/** Codes of credentials whose time is over. */
export const EXPIRED = /^(ExpiredToken.*|InvalidToken|TokenRefreshRequired)$/;

/** What is read from an error of the SDK, of fetch, or of anything between. */
interface Failure {
  readonly code: string;
  readonly message: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The region that the server says the bucket is in. */
  readonly region: string | undefined;
}

const THROTTLED =
  /^(SlowDown|.*Throttl.*|TooManyRequests.*|RequestLimitExceeded|BandwidthLimitExceeded|ServiceUnavailable|RequestThrottled.*|PriorRequestNotComplete|SlowDownWrite|XMinioServerNotInitialized)$/;

/** What to do when no keys are found. */
export const NO_CREDENTIALS = "set target.access-key and target.secret-access-key, or give this machine a role";

/** Refusals (status 4xx) that may pass nevertheless. */
const PASSING: Readonly<Record<string, string>> = {
  RequestTimeout: "",
  RequestTimeTooSkewed: "the next try uses the server's time; set this machine's clock",
  RequestExpired: "the next try uses the server's time; set this machine's clock",
  OperationAborted: "",
  ConditionalRequestConflict: "",
  IncompleteBody: "",
  BadDigest: "the contents were damaged on the way",
  XAmzContentSHA256Mismatch: "the contents were damaged on the way",
  XAmzContentChecksumMismatch: "the contents were damaged on the way",
  TemporaryRedirect: "the bucket is new and not known everywhere yet",
  InsufficientStorage: "make space in the store; nothing is lost meanwhile",
  QuotaExceeded: "raise the bucket's quota; nothing is lost meanwhile",
  XMinioStorageFull: "make space in the store; nothing is lost meanwhile",
  XMinioAdminBucketQuotaExceeded: "raise the bucket's quota; nothing is lost meanwhile",
  // They were found when the target opened; a role's keys may be missing for a while.
  CredentialsProviderError: NO_CREDENTIALS,
  "KMS.ThrottlingException": "",
  "KMS.KMSInternalException": "",
  "KMS.DependencyTimeoutException": "",
};

/** Refusals that somebody must act on, and how. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: "create the bucket, or correct target.aws.s3-bucket",
  InvalidBucketName: "correct target.aws.s3-bucket",
  InvalidAccessKeyId: "correct target.access-key, or create that access key anew",
  SignatureDoesNotMatch: "target.secret-access-key does not belong to target.access-key, or a proxy changes requests",
  AuthorizationHeaderMalformed: "correct target.aws.region",
  PermanentRedirect: "correct target.aws.region (or target.aws.s3-endpoint)",
  IllegalLocationConstraintException: "correct target.aws.region",
  ExpiredToken: "target.session-token has ended: set new keys, or use a role",
  InvalidToken: "target.session-token is not valid: set new keys, or use a role",
  TokenRefreshRequired: "target.session-token has ended: set new keys, or use a role",
  EntityTooLarge: "lower target.aws.s3-part-size, or target.aws.s3-max-data-size",
  EntityTooSmall: "raise target.aws.s3-part-size",
  KeyTooLongError: "shorten target.aws.s3-prefix or the key template (a key has at most 1,024 bytes)",
  InvalidStorageClass: "correct target.aws.s3-storage-class",
  InvalidTag: "correct target.aws.s3-tags",
  AccessControlListNotSupported: "the bucket takes no access control lists: remove target.aws.s3-acl",
  NotImplemented: "the store lacks something that is asked for: try target.aws.s3-checksum=none, and no tags, " +
    "ACL, storage class or encryption",
  InvalidObjectState: "the object is archived: restore it first",
  AllAccessDisabled: "the account is disabled: ask its owner",
  AccountProblem: "the account has a problem: ask its owner",
  MethodNotAllowed: "target.aws.s3-endpoint does not seem to be a store that speaks S3",
};

/**
 * What an error of a request means for the caller: RetriableError when a later try may succeed (also for everything
 * unknown that came without an answer), else FatalError, with what to do. UploadGoneError passes through.
 */
export function s3Error(error: unknown, place: ErrorPlace): CollectorError | UploadGoneError {
  if (error instanceof FatalError || error instanceof RetriableError || error instanceof UploadGoneError) return error;
  const failure = read(error);
  if (failure.code === "NoSuchUpload") return new UploadGoneError(failure.message, { cause: error });
  const said = [failure.code, failure.message].filter((part) => part !== "").join(": ");
  const message = (advice: string) =>
    [`cannot ${describe(place)}`, said, advice].filter((part) => part !== "").join(": ");
  if (mayPass(failure, place)) {
    return new RetriableError(message(PASSING[failure.code] ?? networkAdvice(failure)), {
      cause: error,
      throttled: failure.status === 429 || failure.status === 503 || THROTTLED.test(failure.code),
      retryAfterMs: retryAfterMs(failure.headers["retry-after"], place.nowMs),
    });
  }
  return new FatalError(message(advice(failure, place)), { cause: error });
}

/** "PutObject s3://bucket/key at https://endpoint": what was tried, for messages. */
export function describe({ operation, settings, key }: Pick<ErrorPlace, "operation" | "settings" | "key">): string {
  const where = settings.endpoint ?? (settings.region === undefined ? "AWS" : `AWS region ${settings.region}`);
  return `${operation} s3://${settings.bucket}${key === undefined ? "" : `/${key}`} at ${where}`;
}

function mayPass(failure: Failure, { settings }: ErrorPlace): boolean {
  if (THROTTLED.test(failure.code) || failure.code in PASSING) return true;
  // Keys of the default chain are asked for anew; keys of the config stay as they are.
  if (/^(ExpiredToken.*|InvalidToken|TokenRefreshRequired)$/.test(failure.code)) {
    return settings.accessKey === undefined;
  }
  if (failure.code in ADVICE) return failure.status === 503;
  const { status } = failure;
  return status < 300 || status === 307 || status === 408 || status === 409 || status === 425 || status === 429 ||
    (status >= 500 && status !== 501);
}

function advice(failure: Failure, place: ErrorPlace): string {
  const { code, status, region } = failure;
  if (region !== undefined && region !== place.settings.region && (status === 301 || status === 400)) {
    return `the bucket is in ${region}: set target.aws.region=${region}`;
  }
  if (code.startsWith("KMS.")) return "correct target.aws.s3-kms-key-id, and see that the key is enabled";
  if (code in ADVICE) return ADVICE[code];
  if (status === 403) return accessAdvice(place);
  if (status === 404) return ADVICE.NoSuchBucket;
  if (status === 301) return ADVICE.PermanentRedirect;
  if (status === 400 && code === "") return "the keys, the session token or target.aws.region may be wrong";
  if (status === 405) return ADVICE.MethodNotAllowed;
  if (status === 501) return ADVICE.NotImplemented;
  return "";
}

/** The rights that a refused request needs. */
function accessAdvice({ operation, settings }: ErrorPlace): string {
  const rights = {
    PutObject: ["s3:PutObject"],
    CreateMultipartUpload: ["s3:PutObject"],
    UploadPart: ["s3:PutObject"],
    CompleteMultipartUpload: ["s3:PutObject"],
    AbortMultipartUpload: ["s3:AbortMultipartUpload"],
    HeadBucket: ["s3:ListBucket"],
    ListObjectsV2: ["s3:ListBucket"],
    // Without the right to list, an object that isn't there is refused in the same way.
    GetObject: ["s3:GetObject", "s3:ListBucket"],
    DeleteObject: ["s3:DeleteObject"],
  }[operation];
  if (rights[0] === "s3:PutObject") {
    if (settings.tagging !== undefined) rights.push("s3:PutObjectTagging");
    if (settings.acl !== undefined) rights.push("s3:PutObjectAcl");
    if (settings.encryption === "SSE-KMS") rights.push("kms:GenerateDataKey", "kms:Decrypt");
  }
  const [last, ...others] = rights.reverse();
  return `allow these credentials ${[others.reverse().join(", "), last].filter((part) => part !== "").join(" and ")}`;
}

function networkAdvice({ message }: Failure): string {
  if (/certificate/i.test(message)) {
    return "see that the system's CA store, or DENO_CERT, holds the endpoint's authority";
  }
  if (/dns error|lookup address/i.test(message)) {
    return "correct target.aws.s3-endpoint or target.aws.region, or the name server";
  }
  return "";
}

/** Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return waitMs > 0 ? waitMs : undefined;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function read(error: unknown): Failure {
  const headers = (property(property(error, "$response"), "headers") ?? {}) as Record<string, string>;
  const status = Number(property(property(error, "$metadata"), "httpStatusCode") ?? 0);
  const name = text(property(error, "Code")) ?? text(property(error, "name")) ?? "";
  // Errors of HEAD requests have no body, so the SDK makes a name of nothing; connections fail without one.
  const code = /^(Error|TypeError|ConnectionError|UnknownError|Unknown|\d+)$/.test(name) ? "" : name;
  const message = messageOf(error);
  return {
    code,
    message: message === "" || message === "UnknownError" ? (status > 0 ? `status ${status}` : "") : message,
    status,
    headers,
    region: text(property(error, "Region")) ?? text(headers["x-amz-bucket-region"]),
  };
}
