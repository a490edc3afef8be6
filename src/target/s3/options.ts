import { type ConfigOf, option } from "../../config/option.ts";
import type { ConfigProblem } from "../../runtime/errors.ts";

/** S3 accepts no smaller parts (but for the last) and no larger ones: 5 MB and 5 GB. */
export const MIN_PART_BYTES = 5 * 2 ** 20;
export const MAX_PART_BYTES = 5 * 2 ** 30;

const STORAGE_CLASSES = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
  "GLACIER",
  "DEEP_ARCHIVE",
  "REDUCED_REDUNDANCY",
  "EXPRESS_ONEZONE",
  "OUTPOSTS",
] as const;

const ACLS = [
  "private",
  "bucket-owner-full-control",
  "bucket-owner-read",
  "authenticated-read",
  "aws-exec-read",
  "public-read",
  "public-read-write",
] as const;

/** The keys of the s3 target. */
export const s3Options = {
  bucket: option.string("target.aws.s3-bucket", {
    exact: true,
    required: true,
    doc: "The bucket that objects are stored in. It must exist.",
  }),
  region: option.string("target.aws.region", {
    whenUnset: "AWS_REGION, else what the shared AWS config says",
    doc: "The bucket's region, as in eu-west-1.",
  }),
  endpoint: option.string("target.aws.s3-endpoint", {
    exact: true,
    doc: "Address of another store that speaks S3, as in http://minio:9000. Without a scheme, https is used.",
  }),
  pathStyle: option.boolean("target.aws.s3-path-style", {
    whenUnset: "true with target.aws.s3-endpoint, else false",
    doc: "Whether the bucket stands in the path of a request's address instead of its host name.",
  }),
  prefix: option.string("target.aws.s3-prefix", {
    exact: true,
    doc: "Stands before the keys of all objects, manifests and dead letters, as in collector/live.",
  }),
  accessKey: option.string("target.access-key", {
    secret: true,
    whenUnset:
      "the SDK's usual places: environment, shared AWS files, single sign-on, web identity, container, instance",
    doc: "Access key id.",
  }),
  secretAccessKey: option.string("target.secret-access-key", {
    secret: true,
    doc: "Goes with target.access-key.",
  }),
  sessionToken: option.string("target.session-token", {
    secret: true,
    doc: "Goes with temporary access keys. They end, and the collector with them: prefer a role.",
  }),
  storageClass: option.enumeration("target.aws.s3-storage-class", STORAGE_CLASSES, {
    whenUnset: "the bucket's default",
    doc: "Storage class of the objects with rows. Manifests and dead letters have the bucket's default.",
  }),
  encryption: option.enumeration("target.aws.s3-encryption", ["none", "SSE-S3", "SSE-KMS"], {
    default: "none",
    doc: "Encryption at rest that is asked for. none leaves it to the bucket's own setting.",
  }),
  kmsKeyId: option.string("target.aws.s3-kms-key-id", {
    whenUnset: "the account's key for S3",
    doc: "Key id, alias or ARN for SSE-KMS.",
  }),
  acl: option.enumeration("target.aws.s3-acl", ACLS, {
    whenUnset: "none is sent",
    doc: "Access control list of the objects. New buckets refuse any but bucket-owner-full-control.",
  }),
  tags: option.list("target.aws.s3-tags", {
    doc: "Tags of the objects, as in team=data,env=live. At most 10.",
  }),
  checksum: option.enumeration("target.aws.s3-checksum", ["SHA256", "CRC32", "none"], {
    default: "SHA256",
    doc: "The checksum that is sent with each object and kept by the store. none is for stores that refuse it; " +
      "the contents are still part of the request's signature.",
  }),
  contentEncoding: option.string("target.aws.s3-content-encoding", {
    whenUnset: "none",
    doc: "Content-Encoding of the objects with rows. Many clients decompress what says gzip here without being asked.",
  }),
  partByteLength: option.size("target.aws.s3-part-size", {
    default: "8MB",
    min: MIN_PART_BYTES,
    max: MAX_PART_BYTES,
    doc: "Larger objects are uploaded in parts of this size, several at a time.",
  }),
  bufferByteLength: option.size("target.aws.s3-upload-buffer", {
    default: "16MB",
    min: MIN_PART_BYTES,
    doc: "Most bytes of request bodies on their way at a time. They take about three times as much memory.",
  }),
  requestTimeoutMs: option.duration("target.aws.s3-request-timeout", {
    default: "30s",
    min: 1000,
    doc: "A request without an answer is given up after this, plus a second for each 256kB of its body.",
  }),
};

export type S3TargetConfig = ConfigOf<typeof s3Options>;

/** What the config says, checked across keys and ready for use. */
export interface S3Settings extends S3TargetConfig {
  /** "" or ending in "/". */
  readonly prefix: string;
  /** With a scheme, without a path's trailing "/". */
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  /** URL-encoded, as the x-amz-tagging header wants it; undefined without tags. */
  readonly tagging: string | undefined;
}

/** Everything that is wrong with the keys, one by one and together. */
export function s3ConfigProblems(config: S3TargetConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  checkBucket(config.bucket, problems);
  checkPrefix(normalizePrefix(config.prefix), problems);
  checkEndpoint(config.endpoint, problems);
  checkCredentials(config, problems);
  checkTags(config.tags ?? [], problems);
  if (config.kmsKeyId !== undefined && config.encryption !== "SSE-KMS") {
    problems.push({ key: s3Options.kmsKeyId.key, message: `needs ${s3Options.encryption.key}=SSE-KMS` });
  }
  return problems;
}

/** @param config without problems. */
export function s3Settings(config: S3TargetConfig): S3Settings {
  return {
    ...config,
    prefix: normalizePrefix(config.prefix),
    endpoint: config.endpoint === undefined ? undefined : withScheme(config.endpoint).replace(/\/+$/, ""),
    pathStyle: config.pathStyle ?? config.endpoint !== undefined,
    tagging: tagging(config.tags ?? []),
  };
}

function checkBucket(bucket: string, problems: ConfigProblem[]): void {
  if (/^arn:/.test(bucket) || /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(bucket)) return;
  const message = bucket.includes("/")
    ? `is the bucket's name alone, without s3:// and without a path: that goes to ${s3Options.prefix.key}`
    : "may hold letters, digits, dots, underscores and hyphens";
  problems.push({ key: s3Options.bucket.key, message });
}

function checkCredentials(config: S3TargetConfig, problems: ConfigProblem[]): void {
  const { accessKey, secretAccessKey, sessionToken } = s3Options;
  if ((config.accessKey === undefined) !== (config.secretAccessKey === undefined)) {
    const [missing, present] = config.accessKey === undefined
      ? [accessKey, secretAccessKey]
      : [secretAccessKey, accessKey];
    problems.push({ key: missing.key, message: `must be set together with ${present.key}: set both or none` });
  } else if (config.sessionToken !== undefined && config.accessKey === undefined) {
    problems.push({ key: sessionToken.key, message: `needs ${accessKey.key} and ${secretAccessKey.key}` });
  }
}

function normalizePrefix(prefix: string | undefined): string {
  const trimmed = (prefix ?? "").replace(/\/+$/, "");
  return trimmed === "" ? "" : `${trimmed}/`;
}

function checkPrefix(prefix: string, problems: ConfigProblem[]): void {
  if (prefix.split("/").slice(0, -1).every((segment) => segment !== "" && segment !== "." && segment !== "..")) return;
  problems.push({ key: s3Options.prefix.key, message: 'must not begin with "/" or hold empty, "." or ".." segments' });
}

function withScheme(endpoint: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`;
}

function checkEndpoint(endpoint: string | undefined, problems: ConfigProblem[]): void {
  if (endpoint === undefined) return;
  const url = URL.parse(withScheme(endpoint));
  if (url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash + url.username + url.password === "") {
    return;
  }
  problems.push({ key: s3Options.endpoint.key, message: "must be an address as in https://s3.example.com:9000" });
}

function splitTag(tag: string): { name: string; value: string } {
  const equals = tag.indexOf("=");
  return { name: tag.slice(0, Math.max(equals, 0)).trim(), value: tag.slice(equals + 1).trim() };
}

/** Limits of S3: 10 tags, names of 128 and values of 256 characters. */
function checkTags(tags: readonly string[], problems: ConfigProblem[]): void {
  const problem = (message: string) => problems.push({ key: s3Options.tags.key, message });
  const names = new Set<string>();
  for (const { name, value } of tags.map(splitTag)) {
    if (name === "") problem("must be written name=value, name=value");
    else if (name.length > 128 || value.length > 256) problem(`"${name}" is longer than 128, or its value than 256`);
    else if (names.has(name)) problem(`"${name}" comes twice`);
    names.add(name);
  }
  if (tags.length > 10) problem("at most 10 tags are allowed");
}

function tagging(tags: readonly string[]): string | undefined {
  if (tags.length === 0) return undefined;
  return tags.map(splitTag).map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join(
    "&",
  );
}
