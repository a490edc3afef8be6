import { s3Options, type S3TargetConfig } from "../../src/target/s3/options.ts";
import type { S3Server } from "./s3_server.ts";

/** What of a server a config needs. */
type S3Address = Pick<S3Server, "bucket" | "endpoint" | "accessKey" | "secretAccessKey">;

/** A config for the s3 target with the defaults of its keys. */
export function s3Config(server: S3Address, overrides: Partial<S3TargetConfig> = {}): S3TargetConfig {
  const defaults = Object.fromEntries(Object.entries(s3Options).map(([field, option]) => [field, option.defaultValue]));
  return {
    ...defaults,
    bucket: server.bucket,
    endpoint: server.endpoint,
    region: "us-east-1",
    accessKey: server.accessKey,
    secretAccessKey: server.secretAccessKey,
    ...overrides,
  } as S3TargetConfig;
}
