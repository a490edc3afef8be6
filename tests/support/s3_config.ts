import { s3Options, type S3TargetConfig } from "../../src/target/s3/options.ts";
import type { S3Server } from "./s3_server.ts";

/** A config for the s3 target with the defaults of its keys. */
export function s3Config(server: S3Server, overrides: Partial<S3TargetConfig> = {}): S3TargetConfig {
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
