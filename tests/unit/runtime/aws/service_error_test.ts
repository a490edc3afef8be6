import { assert, assertEquals } from "@std/assert";
import { serviceError } from "../../../../src/runtime/aws/service_error.ts";
import { RetriableError } from "../../../../src/runtime/errors.ts";

const PLACE = {
  what: "GetRecords of stream s",
  right: "kinesis:GetRecords",
  whenMissing: "create it",
  fixedKeys: true,
};

function failure(name: string, status: number, message = "said") {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });
}

Deno.test("serviceError() tells what may pass from what may not", () => {
  const cases: [string, number, "throttled" | "passes" | "final"][] = [
    ["ProvisionedThroughputExceededException", 400, "throttled"],
    ["LimitExceededException", 400, "throttled"],
    ["KMSThrottlingException", 400, "throttled"],
    ["ThrottlingException", 400, "throttled"],
    ["RequestLimitExceeded", 400, "throttled"],
    ["ServiceUnavailable", 503, "throttled"],
    ["InternalFailure", 500, "passes"],
    ["InternalServerError", 500, "passes"],
    ["ResourceInUseException", 400, "passes"],
    ["UnknownError", 502, "passes"],
    ["ConnectionError", 0, "passes"],
    ["TypeError", 0, "passes"],
    ["SyntaxError", 200, "passes"],
    ["CredentialsProviderError", 0, "passes"],
    ["AccessDeniedException", 400, "final"],
    ["ResourceNotFoundException", 400, "final"],
    ["UnrecognizedClientException", 400, "final"],
    ["InvalidSignatureException", 400, "final"],
    ["ValidationException", 400, "final"],
    ["ExpiredTokenException", 400, "final"],
    ["KMSAccessDeniedException", 400, "final"],
  ];
  for (const [name, status, expected] of cases) {
    const error = serviceError(failure(name, status), PLACE);
    const found = error instanceof RetriableError ? error.throttled ? "throttled" : "passes" : "final";
    assertEquals(found, expected, name);
  }
});

Deno.test("serviceError() takes tokens that end and clocks that are off for passing", () => {
  const ended = serviceError(failure("ExpiredTokenException", 400), { ...PLACE, fixedKeys: false });
  assert(ended instanceof RetriableError);
  const late = failure("InvalidSignatureException", 403, "Signature expired: 20260101T000000Z is now earlier than ...");
  assert(serviceError(late, PLACE) instanceof RetriableError);
});

Deno.test("serviceError() says what was tried, what was said, and what to do", () => {
  const cases: [string, string][] = [
    ["AccessDeniedException", "allow these credentials kinesis:GetRecords"],
    ["ResourceNotFoundException", "create it"],
    ["UnrecognizedClientException", "correct aws.access-key"],
    ["ExpiredTokenException", "the session token has ended"],
  ];
  for (const [name, advice] of cases) {
    const { message } = serviceError(failure(name, 400), PLACE);
    assert(message.startsWith(`cannot GetRecords of stream s: ${name}: said: `) && message.includes(advice), message);
  }
  assertEquals(
    serviceError(failure("ValidationException", 400), PLACE).message,
    "cannot GetRecords of stream s: ValidationException: said",
  );
});
