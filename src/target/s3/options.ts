import { type ConfigOf, option } from "../../config/option.ts";
import { ConfigError, type ConfigProblem } from "../../runtime/errors.ts";

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
    required: true,
    doc: "The bucket that objects are stored in. It must exist.",
  }),
  region: option.string("target.aws.region", {
    doc: "The bucket's region, as in eu-west-1. Without it, AWS_REGION and the shared AWS config are asked.",
  }),
  endpoint: option.string("target.aws.s3-endpoint", {
    doc: "Address of another store that speaks S3, as in http://minio:9000. Without a scheme, https is used.",
  }),
  pathStyle: option.boolean("target.aws.s3-path-style", {
    doc: "Whether the bucket stands in the path of a request's address instead of its host name. " +
      "Unset: true with target.aws.s3-endpoint, else false.",
  }),
  prefix: option.string("target.aws.s3-prefix", {
    doc: "Stands before the keys of all objects, manifests and dead letters, as in collector/live.",
  }),
  accessKey: option.string("target.access-key", {
    secret: true,
    doc: "Access key id. Without it, the usual places are asked: environment, shared AWS files, single sign-on, " +
      "web identity, container, instance profile.",
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
    doc: "Storage class of the objects with rows. Manifests and dead letters have the bucket's default.",
  }),
  encryption: option.enumeration("target.aws.s3-encryption", ["none", "SSE-S3", "SSE-KMS"], {
    default: "none",
    doc: "Encryption at rest that is asked for. none leaves it to the bucket's own setting.",
  }),
  kmsKeyId: option.string("target.aws.s3-kms-key-id", {
    doc: "Key id, alias or ARN for SSE-KMS. Unset: the account's key for S3.",
  }),
  acl: option.enumeration("target.aws.s3-acl", ACLS, {
    doc: "Access control list of the objects. Buckets of today refuse any: leave it unset.",
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
    doc: "Content-Encoding of the objects with rows. Unset: none, since readers that see gzip here decompress unasked.",
  }),
  partByteLength: option.size("target.aws.s3-part-size", {
    default: "8MB",
    min: MIN_PART_BYTES,
    max: MAX_PART_BYTES,
    doc: "Larger objects are uploaded in parts of this size, several at a time.",
  }),
  bufferByteLength: option.size("target.aws.s3-upload-buffer", {
    default: "32MB",
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

/** @throws ConfigError with everything that is wrong in the combination of the keys. */
export function s3Settings(config: S3TargetConfig): S3Settings {
  const problems: ConfigProblem[] = [];
  const settings = {
    ...config,
    prefix: normalizePrefix(config.prefix, problems),
    endpoint: normalizeEndpoint(config.endpoint, problems),
    pathStyle: config.pathStyle ?? config.endpoint !== undefined,
    tagging: tagging(config.tags ?? [], problems),
  };
  checkBucket(config.bucket, problems);
  checkCredentials(config, problems);
  if (config.kmsKeyId !== undefined && config.encryption !== "SSE-KMS") {
    problems.push({ key: s3Options.kmsKeyId.key, message: `needs ${s3Options.encryption.key}=SSE-KMS` });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
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

function normalizePrefix(prefix: string | undefined, problems: ConfigProblem[]): string {
  const segments = (prefix ?? "").replace(/\/+$/, "").split("/");
  if (segments.length === 1 && segments[0] === "") return "";
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    problems.push({
      key: s3Options.prefix.key,
      message: 'must not begin with "/" or hold empty, "." or ".." segments',
    });
  }
  return `${segments.join("/")}/`;
}

function normalizeEndpoint(endpoint: string | undefined, problems: ConfigProblem[]): string | undefined {
  if (endpoint === undefined) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.username !== "") {
    problems.push({ key: s3Options.endpoint.key, message: "must be an address as in https://s3.example.com:9000" });
  }
  return text.replace(/\/+$/, "");
}

/** Limits of S3: 10 tags, keys of 128 and values of 256 characters. */
function tagging(tags: readonly string[], problems: ConfigProblem[]): string | undefined {
  const problem = (message: string) => problems.push({ key: s3Options.tags.key, message });
  const encoded = new URLSearchParams();
  for (const tag of tags) {
    const equals = tag.indexOf("=");
    const name = tag.slice(0, equals).trim(), value = tag.slice(equals + 1).trim();
    if (equals < 0 || name === "") problem(`"${tag}" is not written name=value`);
    else if (name.length > 128 || value.length > 256) problem(`"${name}" is longer than 128, or its value than 256`);
    else if (encoded.has(name)) problem(`"${name}" comes twice`);
    else encoded.append(name, value);
  }
  if (tags.length > 10) problem("at most 10 tags are allowed");
  return tags.length === 0 ? undefined : encoded.toString().replaceAll("+", "%20");
}
