/** The keys of the Kinesis source. Those of the original collector keep their names and defaults. */

import { type ConfigOf, option } from "../../config/option.ts";

export const kinesisOptions = {
  stream: option.string("kinesis.stream", {
    exact: true,
    required: true,
    doc: "The stream to read: its name, or its ARN when it belongs to another account.",
  }),
  initialPosition: option.enumeration("kinesis.initial-position", ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"], {
    default: "TRIM_HORIZON",
    doc: "Where shards without a checkpoint start: the oldest record, the newest, or kinesis.initial-timestamp.",
  }),
  initialTimestamp: option.string("kinesis.initial-timestamp", {
    check: parseTimestamp,
    doc: "Where AT_TIMESTAMP starts: ISO 8601 with a time zone, or epoch milliseconds.",
  }),
  maxRecordsPerBatch: option.integer("kinesis.max-records-per-batch", {
    min: 1,
    max: 10_000,
    whenUnset: "the service's own, 10000",
    doc: "The most records to ask for in one call.",
  }),
  pollIntervalMs: option.duration("kinesis.poll-interval", {
    default: "1s",
    min: 200,
    max: 60_000,
    doc:
      "The pause of a shard after a read that found nothing; up to half as long again, by chance. A shard allows 5 " +
      "reads a second to all its consumers together.",
  }),
  prefetchByteLength: option.size("kinesis.prefetch-size", {
    default: "32MB",
    min: 1 << 20,
    doc: "Most bytes that are read ahead, over all shards.",
  }),
  leaseTable: option.string("kinesis.consumer-dynamodb-table", {
    exact: true,
    default: "rakam-kinesis-worker",
    doc: "The DynamoDB table in which collectors and KCL workers share the shards and keep their checkpoints; also " +
      "the application's name. It is created when it isn't there.",
  }),
  billingMode: option.enumeration("kinesis.lease-table-billing-mode", ["PAY_PER_REQUEST", "PROVISIONED"], {
    default: "PAY_PER_REQUEST",
    doc: "How a table that the collector creates is paid.",
  }),
  readCapacity: option.integer("kinesis.lease-table-read-capacity", {
    default: "10",
    min: 1,
    doc: "Read units a second of a table that the collector creates as PROVISIONED.",
  }),
  writeCapacity: option.integer("kinesis.lease-table-write-capacity", {
    default: "10",
    min: 1,
    doc: "Write units a second of a table that the collector creates as PROVISIONED.",
  }),
  tableTags: option.list("kinesis.lease-table-tags", {
    doc: "Tags of a table that the collector creates, as in team=data,env=live.",
  }),
  workerId: option.string("kinesis.worker-id", {
    whenUnset: "host name and a random part",
    doc: "This collector's name in the lease table. No two that run at a time may have the same.",
  }),
  failoverTimeMs: option.duration("kinesis.failover-time", {
    default: "30s",
    min: 1000,
    max: 600_000,
    doc: "A lease that wasn't renewed for so long is free to be taken. All workers of a table, also those of the KCL " +
      "(whose own default is 10s), must have the same.",
  }),
  maxLeases: option.integer("kinesis.max-leases", {
    min: 1,
    whenUnset: "no limit",
    doc: "The most shards that this collector takes.",
  }),
  assignment: option.enumeration("kinesis.lease-assignment", ["auto", "take", "leader"], {
    default: "auto",
    doc: "How shards are shared: take counts the workers and takes its part, as KCL 1, 2 and 3 in its 2.x-compatible " +
      "mode do; leader waits for what the leader of a KCL 3 fleet assigns. auto is leader while such a fleet is alive, " +
      "as its tables say, and take otherwise.",
  }),
  shardSyncIntervalMs: option.duration("kinesis.shard-sync-interval", {
    default: "60s",
    min: 1000,
    doc: "How often the stream's shards are listed, to find those without a lease and those that are done with.",
  }),
  handoffTimeoutMs: option.duration("kinesis.handoff-timeout", {
    default: "30s",
    doc: "When a leader moves a shard to another worker, what was read of it is written and committed within this " +
      "time, or dropped and read again there.",
  }),
  enhancedFanOut: option.boolean("kinesis.enhanced-fan-out", {
    default: "false",
    doc: "Have records pushed by SubscribeToShard, 2MB a second and shard for this application alone, instead of " +
      "asking for them. The application is registered as a consumer of the stream, which costs extra.",
  }),
  replayReadShare: option.number("kinesis.replay-read-share", {
    min: 0.05,
    max: 1,
    whenUnset: "0.5; 1 with kinesis.enhanced-fan-out, which leaves these limits unused",
    doc:
      "The share of each shard's limits (5 reads and 2MB a second, for all its readers together) that a replay uses. " +
      "The rest is left for collectors and other consumers, so that they don't fall behind.",
  }),
  requestTimeoutMs: option.duration("kinesis.request-timeout", {
    default: "10s",
    min: 500,
    doc:
      "A request without an answer is given up after this; one about a lease after a third of kinesis.failover-time " +
      "if that is less.",
  }),
  enableCloudwatch: option.boolean("aws.enable-cloudwatch", {
    default: "true",
    doc: "Publish the consumer's metrics to CloudWatch, under the names that the KCL uses. What fails there is logged.",
  }),
  kinesisEndpoint: option.string("aws.kinesis-endpoint", {
    check: parseEndpoint,
    whenUnset: "the region's own",
    doc: "The URL of the Kinesis service.",
  }),
  dynamodbEndpoint: option.string("aws.dynamodb-endpoint", {
    check: parseEndpoint,
    whenUnset: "the region's own",
    doc: "The URL of the DynamoDB service.",
  }),
  cloudwatchEndpoint: option.string("aws.cloudwatch-endpoint", {
    check: parseEndpoint,
    whenUnset: "the region's own",
    doc: "The URL of the CloudWatch service.",
  }),
  stsEndpoint: option.string("aws.sts-endpoint", {
    check: parseEndpoint,
    whenUnset: "the region's own",
    doc: "The URL of the Security Token Service, for aws.assume-role-arn.",
  }),
  region: option.string("aws.region", {
    whenUnset: "as the ARN, the environment or the shared files say",
    doc: "The AWS region of the stream and the table.",
  }),
  accessKey: option.string("aws.access-key", {
    secret: true,
    whenUnset: "the SDK's usual places: environment, shared files, single sign-on, web identity, container, instance",
    doc: "Access key id for the stream and the table.",
  }),
  secretAccessKey: option.string("aws.secret-access-key", {
    secret: true,
    whenUnset: "as for aws.access-key",
    doc: "The secret that belongs to aws.access-key.",
  }),
  sessionToken: option.string("aws.session-token", {
    secret: true,
    doc: "Goes with temporary access keys. They end, and the collector with them: prefer a role.",
  }),
  assumeRole: option.string("aws.assume-role-arn", {
    doc: "A role to assume for the stream, the table and the metrics.",
  }),
  assumeRoleExternalId: option.string("aws.assume-role-external-id", {
    doc: "The external id that the role's trust policy asks for.",
  }),
  bulkBucket: option.string("aws.s3-bulk-bucket", {
    exact: true,
    whenUnset: "such records can't be read",
    doc: "The bucket of the bulk files that records of type 3 name.",
  }),
  bulkEndpoint: option.string("aws.s3-endpoint", {
    whenUnset: "the region's own",
    doc: "The URL of the S3 service for aws.s3-bulk-bucket.",
  }),
} as const;

export type KinesisConfig = ConfigOf<typeof kinesisOptions>;

/** Epoch ms. @throws RangeError */
export function parseTimestamp(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const ms = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(ms)) {
    throw new RangeError("not a moment: write 2026-01-31T12:00:00Z, or milliseconds since 1970");
  }
  return ms;
}

/** The URL; https when it has no scheme. @throws RangeError */
export function parseEndpoint(text: string): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search + url.hash + url.username + url.password !== "") {
    throw new RangeError("must be an address as in https://kinesis.example.com:4567");
  }
  return url.href.replace(/\/$/, "");
}
