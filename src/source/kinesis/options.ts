/** The keys of the Kinesis source, with the names and defaults that deployments already use. */

import { type ConfigOf, option } from "../../config/option.ts";

export const kinesisOptions = {
  stream: option.string("kinesis.stream", {
    required: true,
    doc: "The stream to read.",
  }),
  maxRecordsPerBatch: option.integer("kinesis.max-records-per-batch", {
    min: 1,
    max: 10_000,
    whenUnset: "the service's own, 10000",
    doc: "The most records to ask for in one call.",
  }),
  leaseTable: option.string("kinesis.consumer-dynamodb-table", {
    default: "rakam-kinesis-worker",
    doc:
      "The DynamoDB table in which collectors share the shards and keep their checkpoints; also the application's name.",
  }),
  enableCloudwatch: option.boolean("aws.enable-cloudwatch", {
    default: "true",
    doc: "Publish the consumer's metrics to CloudWatch.",
  }),
  kinesisEndpoint: option.string("aws.kinesis-endpoint", {
    whenUnset: "the region's own",
    doc: "The URL of the Kinesis service.",
  }),
  dynamodbEndpoint: option.string("aws.dynamodb-endpoint", {
    whenUnset: "the region's own",
    doc: "The URL of the DynamoDB service.",
  }),
  region: option.string("aws.region", {
    whenUnset: "as the environment or the instance says",
    doc: "The AWS region of the stream and the table.",
  }),
  accessKey: option.string("aws.access-key", {
    secret: true,
    whenUnset: "the environment, the shared files, or the instance profile",
    doc: "Access key id for the stream and the table.",
  }),
  secretAccessKey: option.string("aws.secret-access-key", {
    secret: true,
    whenUnset: "as for aws.access-key",
    doc: "The secret that belongs to aws.access-key.",
  }),
  bulkBucket: option.string("aws.s3-bulk-bucket", {
    whenUnset: "such records can't be read",
    doc: "The bucket of the bulk files that records of type 3 name.",
  }),
  bulkEndpoint: option.string("aws.s3-endpoint", {
    whenUnset: "the region's own",
    doc: "The URL of the S3 service for aws.s3-bulk-bucket.",
  }),
} as const;

export type KinesisConfig = ConfigOf<typeof kinesisOptions>;
