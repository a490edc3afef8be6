import { assertEquals, assertStringIncludes } from "@std/assert";
import { s3ConfigProblems, s3Options, s3Settings, type S3TargetConfig } from "../../../../src/target/s3/options.ts";

function config(overrides: Partial<S3TargetConfig>): S3TargetConfig {
  const defaults = Object.entries(s3Options).map(([field, { defaultValue }]) => [field, defaultValue]);
  return { ...Object.fromEntries(defaults), bucket: "events", ...overrides } as S3TargetConfig;
}

Deno.test("s3ConfigProblems() finds nothing wrong with usable configs", () => {
  const table: Partial<S3TargetConfig>[] = [
    {},
    { bucket: "arn:aws:s3:us-west-2:123456789012:accesspoint/my-point" },
    { bucket: "my.bucket-1_x" },
    { accessKey: "a", secretAccessKey: "b" },
    { accessKey: "a", secretAccessKey: "b", sessionToken: "c" },
    { endpoint: "http://127.0.0.1:9000" },
    { endpoint: "https://s3.example.com/below/" },
    { endpoint: "minio:9000" },
    { prefix: "collector/live/" },
    { encryption: "SSE-KMS" },
    { encryption: "SSE-KMS", kmsKeyId: "alias/x" },
    { tags: Array.from({ length: 10 }, (_, i) => `t${i}=v`) },
    { tags: ["a=b=c", "empty="] },
  ];
  for (const overrides of table) assertEquals(s3ConfigProblems(config(overrides)), []);
});

Deno.test("s3ConfigProblems() says what is wrong, all at once", () => {
  const table: [Partial<S3TargetConfig>, string, string][] = [
    [{ bucket: "s3://events" }, "target.aws.s3-bucket", "without s3://"],
    [{ bucket: "events/live" }, "target.aws.s3-bucket", "that goes to target.aws.s3-prefix"],
    [{ bucket: "ev ents" }, "target.aws.s3-bucket", "may hold letters"],
    [{ accessKey: "a" }, "target.secret-access-key", "must be set together with target.access-key"],
    [{ secretAccessKey: "a" }, "target.access-key", "must be set together with target.secret-access-key"],
    [{ sessionToken: "a" }, "target.session-token", "needs target.access-key"],
    [{ endpoint: "ftp://x" }, "target.aws.s3-endpoint", "must be an address"],
    [{ endpoint: "http://" }, "target.aws.s3-endpoint", "must be an address"],
    [{ endpoint: "https://user:password@x" }, "target.aws.s3-endpoint", "must be an address"],
    [{ endpoint: "https://x?y=z" }, "target.aws.s3-endpoint", "must be an address"],
    [{ prefix: "/live" }, "target.aws.s3-prefix", "must not begin"],
    [{ prefix: "a//b" }, "target.aws.s3-prefix", "must not begin"],
    [{ prefix: "a/../b" }, "target.aws.s3-prefix", "must not begin"],
    [{ kmsKeyId: "x" }, "target.aws.s3-kms-key-id", "needs target.aws.s3-encryption=SSE-KMS"],
    [{ kmsKeyId: "x", encryption: "SSE-S3" }, "target.aws.s3-kms-key-id", "needs target.aws.s3-encryption=SSE-KMS"],
    [{ tags: ["a"] }, "target.aws.s3-tags", "name=value"],
    [{ tags: ["=b"] }, "target.aws.s3-tags", "name=value"],
    [{ tags: ["a=1", "a=2"] }, "target.aws.s3-tags", '"a" comes twice'],
    [{ tags: [`a=${"x".repeat(257)}`] }, "target.aws.s3-tags", "longer than"],
    [{ tags: Array.from({ length: 11 }, (_, i) => `t${i}=v`) }, "target.aws.s3-tags", "at most 10"],
  ];
  for (const [overrides, key, message] of table) {
    const problems = s3ConfigProblems(config(overrides));
    assertEquals(problems.map((problem) => problem.key), [key]);
    assertStringIncludes(problems[0].message, message);
  }
  assertEquals(s3ConfigProblems(config({ bucket: "a/b", accessKey: "x", tags: ["y"] })).length, 3);
});

Deno.test("problems never show a secret", () => {
  const problems = s3ConfigProblems(
    config({ accessKey: "AKIASECRET", sessionToken: "hush", endpoint: "https://me:hush@x" }),
  );
  assertEquals(problems.length, 2);
  for (const { message } of problems) assertEquals(/AKIASECRET|hush/.test(message), false);
  for (const field of ["accessKey", "secretAccessKey", "sessionToken"] as const) {
    assertEquals(s3Options[field].secret, true);
  }
});

Deno.test("s3Settings() completes what is left out", () => {
  const table: [Partial<S3TargetConfig>, Partial<ReturnType<typeof s3Settings>>][] = [
    [{}, { prefix: "", endpoint: undefined, pathStyle: false, tagging: undefined }],
    [{ prefix: "a/b" }, { prefix: "a/b/" }],
    [{ prefix: "a/b//" }, { prefix: "a/b/" }],
    [{ endpoint: "s3.eu-west-1.amazonaws.com" }, { endpoint: "https://s3.eu-west-1.amazonaws.com", pathStyle: true }],
    [{ endpoint: "http://minio:9000/" }, { endpoint: "http://minio:9000", pathStyle: true }],
    [{ endpoint: "http://minio:9000", pathStyle: false }, { pathStyle: false }],
    [{ pathStyle: true }, { pathStyle: true }],
    [{ tags: ["team = data & co", "ü=+"] }, { tagging: "team=data%20%26%20co&%C3%BC=%2B" }],
  ];
  for (const [overrides, expected] of table) {
    const settings = s3Settings(config(overrides));
    for (const [field, value] of Object.entries(expected)) {
      assertEquals(settings[field as keyof typeof settings], value, `${field} of ${JSON.stringify(overrides)}`);
    }
  }
});
