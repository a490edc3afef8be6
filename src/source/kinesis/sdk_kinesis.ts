import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  type Shard as SdkShard,
} from "@aws-sdk/client-kinesis";
import { readFailure, serviceError } from "../../runtime/aws/service_error.ts";
import { FatalError } from "../../runtime/errors.ts";
import { withTimeLimit } from "../../runtime/time_limit.ts";
import type { AwsConnection } from "./connect.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  type RecordsPage,
  type Shard,
  ShardGoneError,
  type StreamInfo,
} from "./kinesis_api.ts";

type Operation = "DescribeStreamSummary" | "ListShards" | "GetShardIterator" | "GetRecords";

/** A stream of 100,000 shards has 100 pages. */
const MAX_PAGES = 1000;
const PAGE_SHARDS = 1000;

/** The stream behind the AWS SDK. Its own retries are off: whoever calls decides what is tried again. */
export class SdkKinesisApi implements KinesisApi {
  readonly #connection: AwsConnection;
  readonly #client: KinesisClient;
  readonly #stream: { readonly StreamName: string } | { readonly StreamARN: string };
  readonly #name: string;

  constructor(connection: AwsConnection) {
    const { streamArn, streamName, kinesisEndpoint } = connection.settings;
    this.#connection = connection;
    this.#client = new KinesisClient({ ...connection.clientConfig, endpoint: kinesisEndpoint });
    this.#stream = streamArn === undefined ? { StreamName: streamName } : { StreamARN: streamArn };
    this.#name = streamName;
  }

  async describeStream(signal: AbortSignal): Promise<StreamInfo> {
    const command = new DescribeStreamSummaryCommand(this.#stream);
    const { StreamDescriptionSummary: found } = await this.#try(
      "DescribeStreamSummary",
      signal,
      (abortSignal) => this.#client.send(command, { abortSignal }),
    );
    return {
      arn: found?.StreamARN ?? "",
      status: found?.StreamStatus ?? "",
      openShardCount: found?.OpenShardCount ?? 0,
      retentionHours: found?.RetentionPeriodHours ?? 24,
    };
  }

  async listShards(signal: AbortSignal, timestampMs?: number): Promise<Shard[]> {
    const shards: Shard[] = [];
    const filter = timestampMs === undefined
      ? {}
      : { ShardFilter: { Type: "FROM_TIMESTAMP" as const, Timestamp: new Date(timestampMs) } };
    let next: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const command = new ListShardsCommand(
        next === undefined ? { ...this.#stream, ...filter, MaxResults: PAGE_SHARDS } : { NextToken: next },
      );
      const page = await this.#try("ListShards", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
      for (const shard of page.Shards ?? []) shards.push(toShard(shard));
      next = page.NextToken;
      if (next === undefined) return shards;
    }
    throw new FatalError(`stream ${this.#name} has more than ${MAX_PAGES * PAGE_SHARDS} shards`);
  }

  async getIterator(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<string> {
    const command = new GetShardIteratorCommand({
      ...this.#stream,
      ShardId: shardId,
      ShardIteratorType: place.type,
      StartingSequenceNumber: "sequence" in place ? place.sequence : undefined,
      Timestamp: "timestampMs" in place ? new Date(place.timestampMs) : undefined,
    });
    const { ShardIterator } = await this.#try(
      "GetShardIterator",
      signal,
      (abortSignal) => this.#client.send(command, { abortSignal }),
    );
    if (ShardIterator === undefined) throw new ShardGoneError(`shard ${shardId} gives no iterator`);
    return ShardIterator;
  }

  async getRecords(iterator: string, limit: number | undefined, signal: AbortSignal): Promise<RecordsPage> {
    const arn = "StreamARN" in this.#stream ? this.#stream : {};
    const command = new GetRecordsCommand({ ...arn, ShardIterator: iterator, Limit: limit });
    const page = await this.#try("GetRecords", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
    return {
      records: (page.Records ?? []).map((record) => ({
        sequence: record.SequenceNumber!,
        data: record.Data ?? new Uint8Array(0),
        partitionKey: record.PartitionKey ?? "",
        arrivalMs: record.ApproximateArrivalTimestamp?.getTime() ?? NaN,
      })),
      nextIterator: page.NextShardIterator,
      behindLatestMs: page.MillisBehindLatest ?? 0,
    };
  }

  serverTimeMs(): number | undefined {
    return this.#connection.serverTimeMs();
  }

  close(): void {
    this.#client.destroy();
    this.#connection.close();
  }

  async #try<T>(operation: Operation, signal: AbortSignal, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { settings, clock, where } = this.#connection;
    const what = `${operation} of stream ${this.#name} at ${where(settings.kinesisEndpoint)}`;
    try {
      return await withTimeLimit({ what, limitMs: settings.requestTimeoutMs, clock, signal }, send);
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = readFailure(error);
      if (code === "ExpiredIteratorException") throw new ExpiredIteratorError(message, { cause: error });
      if (code === "ResourceNotFoundException" && operation === "GetShardIterator" && /shard/i.test(message)) {
        throw new ShardGoneError(message, { cause: error });
      }
      throw serviceError(error, {
        what,
        right: `kinesis:${operation}`,
        whenMissing: "create the stream, or correct kinesis.stream or aws.region",
        fixedKeys: settings.accessKey !== undefined,
      });
    }
  }
}

function toShard(shard: SdkShard): Shard {
  return {
    id: shard.ShardId!,
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].filter((id) => id !== undefined),
    startingHashKey: shard.HashKeyRange?.StartingHashKey ?? "0",
    endingHashKey: shard.HashKeyRange?.EndingHashKey ?? "0",
    open: shard.SequenceNumberRange?.EndingSequenceNumber === undefined,
  };
}
