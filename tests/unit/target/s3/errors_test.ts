import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { FatalError, RetriableError } from "../../../../src/runtime/errors.ts";
import { type Operation, s3Error } from "../../../../src/target/s3/errors.ts";
import { UploadGoneError } from "../../../../src/target/s3/object_store.ts";
import { s3Options, type S3Settings, s3Settings } from "../../../../src/target/s3/options.ts";

const defaults = Object.fromEntries(
  Object.entries(s3Options).map(([field, { defaultValue }]) => [field, defaultValue]),
);
const settings = s3Settings({
  ...defaults,
  bucket: "events",
  region: "us-east-1",
  accessKey: "AKIA",
  secretAccessKey: "secret",
} as S3Settings);

/** An error as the SDK throws it. */
function sdkError(name: string, status: number, headers: Record<string, string> = {}, message = "Said so."): Error {
  const error = Object.assign(new Error(message), { $metadata: { httpStatusCode: status }, $response: { headers } });
  error.name = name;
  return error;
}

function translate(error: unknown, overrides: Partial<S3Settings> = {}, operation: Operation = "PutObject"): Error {
  return s3Error(error, { operation, settings: { ...settings, ...overrides }, key: "k", nowMs: 0 });
}

type Row = readonly [name: string, status: number, says: string];

const THROTTLED: readonly Row[] = [
  ["SlowDown", 503, "SlowDown"],
  ["SlowDown", 200, "SlowDown"],
  ["ServiceUnavailable", 503, "ServiceUnavailable"],
  ["Throttling", 400, "Throttling"],
  ["ThrottlingException", 400, "ThrottlingException"],
  ["TooManyRequestsException", 429, "TooManyRequests"],
  ["RequestLimitExceeded", 400, "RequestLimitExceeded"],
  ["KMS.ThrottlingException", 400, "KMS"],
  ["UnknownError", 429, "Said so."],
  ["UnknownError", 503, "Said so."],
];

const PASSING: readonly Row[] = [
  ["InternalError", 500, "InternalError"],
  ["InternalError", 200, "InternalError"],
  ["UnknownError", 502, "Said so."],
  ["UnknownError", 504, "Said so."],
  ["RequestTimeout", 400, "RequestTimeout"],
  ["UnknownError", 408, "Said so."],
  ["RequestTimeTooSkewed", 403, "set this machine's clock"],
  ["RequestExpired", 400, "set this machine's clock"],
  ["OperationAborted", 409, "OperationAborted"],
  ["ConditionalRequestConflict", 409, "Conflict"],
  ["BadDigest", 400, "damaged on the way"],
  ["XAmzContentSHA256Mismatch", 400, "damaged on the way"],
  ["IncompleteBody", 400, "IncompleteBody"],
  ["TemporaryRedirect", 307, "not known everywhere yet"],
  ["XMinioStorageFull", 507, "make space in the store"],
  ["QuotaExceeded", 403, "raise the bucket's quota"],
  ["KMS.KMSInternalException", 400, "KMS"],
  ["CredentialsProviderError", 0, "give this machine a role"],
  ["SyntaxError", 200, "Said so."],
];

const FATAL: readonly Row[] = [
  ["NoSuchBucket", 404, "create the bucket, or correct target.aws.s3-bucket"],
  ["UnknownError", 404, "create the bucket"],
  ["InvalidBucketName", 400, "correct target.aws.s3-bucket"],
  ["AccessDenied", 403, "allow these credentials s3:PutObject"],
  ["UnknownError", 403, "allow these credentials s3:PutObject"],
  ["InvalidAccessKeyId", 403, "correct target.access-key"],
  ["SignatureDoesNotMatch", 403, "target.secret-access-key does not belong to target.access-key"],
  ["ExpiredToken", 400, "set new keys, or use a role"],
  ["ExpiredTokenException", 403, "ExpiredTokenException"],
  ["PermanentRedirect", 301, "correct target.aws.region"],
  ["AuthorizationHeaderMalformed", 400, "correct target.aws.region"],
  ["EntityTooLarge", 400, "lower target.aws.s3-part-size"],
  ["EntityTooSmall", 400, "raise target.aws.s3-part-size"],
  ["KeyTooLongError", 400, "shorten target.aws.s3-prefix"],
  ["InvalidStorageClass", 400, "correct target.aws.s3-storage-class"],
  ["InvalidTag", 400, "correct target.aws.s3-tags"],
  ["AccessControlListNotSupported", 400, "remove target.aws.s3-acl"],
  ["NotImplemented", 501, "target.aws.s3-checksum=none"],
  ["UnknownError", 501, "target.aws.s3-checksum=none"],
  ["MethodNotAllowed", 405, "a store that speaks S3"],
  ["KMS.DisabledException", 400, "correct target.aws.s3-kms-key-id"],
  ["AllAccessDisabled", 403, "ask its owner"],
  ["UnknownError", 400, "the keys, the session token or target.aws.region may be wrong"],
  ["InvalidArgument", 400, "InvalidArgument: Said so."],
];

Deno.test("s3Error() calls overload throttling, and honours how long to wait", () => {
  for (const [name, status, says] of THROTTLED) {
    const error = translate(sdkError(name, status)) as RetriableError;
    assertInstanceOf(error, RetriableError);
    assertEquals(error.throttled, true, name);
    assertStringIncludes(error.message, says);
  }
  const waits: [string, number | undefined][] = [
    ["7", 7000],
    ["0", undefined],
    ["soon", undefined],
    [new Date(90_000).toUTCString(), 90_000],
    [new Date(-90_000).toUTCString(), undefined],
  ];
  for (const [header, expected] of waits) {
    const error = translate(sdkError("SlowDown", 503, { "retry-after": header })) as RetriableError;
    assertEquals(error.retryAfterMs, expected, header);
  }
});

Deno.test("s3Error() calls retriable what may pass", () => {
  for (const [name, status, says] of PASSING) {
    const error = translate(sdkError(name, status)) as RetriableError;
    assertInstanceOf(error, RetriableError, `${name} ${status}`);
    assertEquals(error.throttled, false, name);
    assertStringIncludes(error.message, says);
  }
});

Deno.test("s3Error() calls fatal what somebody must act on, and says how", () => {
  for (const [name, status, says] of FATAL) {
    const error = translate(sdkError(name, status));
    assertInstanceOf(error, FatalError, `${name} ${status}`);
    assertStringIncludes(error.message, "cannot PutObject s3://events/k at AWS region us-east-1: ");
    assertStringIncludes(error.message, says);
  }
});

Deno.test("s3Error() calls failures without an answer retriable, with a hint where there is one", () => {
  const table: [unknown, string][] = [
    [new TypeError("connection closed before message completed"), "connection closed"],
    [new DOMException("The signal has been aborted", "AbortError"), "AbortError"],
    [Object.assign(new Error("ECONNRESET"), { code: "ECONNRESET" }), "ECONNRESET"],
    [new TypeError("invalid peer certificate: UnknownIssuer"), "the system's CA store, or DENO_CERT"],
    [new TypeError("dns error: failed to lookup address information"), "correct target.aws.s3-endpoint"],
    ["a text", "a text"],
  ];
  for (const [cause, says] of table) {
    const error = translate(cause);
    assertInstanceOf(error, RetriableError);
    assertStringIncludes(error.message, says);
    assertEquals(error.cause, cause);
  }
});

Deno.test("s3Error() names the region that the bucket is in", () => {
  const header = sdkError("PermanentRedirect", 301, { "x-amz-bucket-region": "eu-west-1" });
  const field = Object.assign(sdkError("AuthorizationHeaderMalformed", 400), { Region: "eu-west-1" });
  for (const cause of [header, field]) {
    assertStringIncludes(translate(cause).message, "the bucket is in eu-west-1: set target.aws.region=eu-west-1");
  }
  const denied = sdkError("AccessDenied", 403, { "x-amz-bucket-region": "us-east-1" });
  assertStringIncludes(translate(denied).message, "allow these credentials");
});

Deno.test("s3Error() names all rights that a refused request needs", () => {
  const denied = sdkError("AccessDenied", 403);
  const table: [Partial<S3Settings>, Operation, string][] = [
    [{}, "UploadPart", "allow these credentials s3:PutObject"],
    [{ tagging: "a=b" }, "PutObject", "allow these credentials s3:PutObject and s3:PutObjectTagging"],
    [
      { acl: "private", encryption: "SSE-KMS" },
      "CreateMultipartUpload",
      "s3:PutObject, s3:PutObjectAcl, kms:GenerateDataKey and kms:Decrypt",
    ],
    [{ tagging: "a=b" }, "AbortMultipartUpload", "allow these credentials s3:AbortMultipartUpload"],
    [{}, "HeadBucket", "allow these credentials s3:ListBucket"],
  ];
  for (const [overrides, operation, says] of table) {
    const { message } = translate(denied, overrides, operation);
    assertEquals(message.slice(message.length - says.length), says);
  }
});

Deno.test("s3Error() has credentials asked for anew that came from a role", () => {
  for (const name of ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"]) {
    assertInstanceOf(translate(sdkError(name, 400), { accessKey: undefined }), RetriableError);
    assertInstanceOf(translate(sdkError(name, 400)), FatalError);
  }
});

Deno.test("s3Error() passes its own errors on, and tells of uploads that are gone", () => {
  for (const own of [new FatalError("x"), new RetriableError("x"), new UploadGoneError("x")]) {
    assertEquals(translate(own), own);
  }
  assertInstanceOf(translate(sdkError("NoSuchUpload", 404)), UploadGoneError);
});
