import {
  type _Record,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  RegisterStreamConsumerCommand,
  type Shard as SdkShard,
  SubscribeToShardCommand,
  type SubscribeToShardEventStream,
} from "@aws-sdk/client-kinesis";
import { readFailure, serviceError } from "../../../runtime/aws/service_error.ts";
import { FatalError } from "../../../runtime/errors.ts";
import { withTimeLimit } from "../../../runtime/time_limit.ts";
import type { AwsConnection } from "./connect.ts";
import {
  ExpiredIteratorError,
  ForeignSequenceError,
  type IteratorPlace,
  type KinesisApi,
  type PushedPage,
  type RecordsPage,
  type Shard,
  ShardGoneError,
  type StreamInfo,
  type StreamRecord,
} from "./kinesis_api.ts";

type Operation =
  | "DescribeStreamSummary"
  | "ListShards"
  | "GetShardIterator"
  | "GetRecords"
  | "DescribeStreamConsumer"
  | "RegisterStreamConsumer"
  | "SubscribeToShard";

/** A stream of 100,000 shards has 100 pages. */
const MAX_PAGES = 1000;
const PAGE_SHARDS = 1000;
/** A new consumer becomes active within seconds. */
const CONSUMER_POLL_MS = 500, MAX_CONSUMER_POLLS = 240;

/** The stream behind the AWS SDK. Its own retries are off: whoever calls decides what is tried again. */
export class SdkKinesisApi implements KinesisApi {
  readonly #connection: AwsConnection;
  readonly #client: KinesisClient;
  readonly #stream: { readonly StreamName: string } | { readonly StreamARN: string };
  readonly #name: string;
  #streamArn: string | undefined;
  #consumerArn: string | undefined;

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
      createdMs: found?.StreamCreationTimestamp?.getTime() ?? NaN,
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
      records: (page.Records ?? []).map(toRecord),
      nextIterator: page.NextShardIterator,
      behindLatestMs: page.MillisBehindLatest ?? 0,
    };
  }

  async findConsumer(name: string, signal: AbortSignal): Promise<string | undefined> {
    const StreamARN = await this.#arn(signal);
    const command = new DescribeStreamConsumerCommand({ StreamARN, ConsumerName: name });
    const send = (abortSignal: AbortSignal) => this.#client.send(command, { abortSignal });
    try {
      const { ConsumerDescription: found } = await this.#try("DescribeStreamConsumer", signal, send);
      this.#consumerArn = found?.ConsumerARN;
      return found?.ConsumerStatus;
    } catch (error) {
      if (readFailure((error as Error).cause).code === "ResourceNotFoundException") return undefined;
      throw error;
    }
  }

  async registerConsumer(name: string, signal: AbortSignal): Promise<void> {
    const StreamARN = await this.#arn(signal);
    for (let polls = 0; polls < MAX_CONSUMER_POLLS; polls++) {
      const status = await this.findConsumer(name, signal);
      if (status === "ACTIVE") return;
      if (status === undefined) {
        const command = new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: name });
        await this.#try("RegisterStreamConsumer", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
      }
      await this.#connection.clock.sleep(polls < 10 ? CONSUMER_POLL_MS / 10 : CONSUMER_POLL_MS, signal);
    }
    throw new FatalError(`the consumer ${name} of stream ${this.#name} does not become active`);
  }

  async subscribe(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<AsyncIterable<PushedPage>> {
    const command = new SubscribeToShardCommand({
      ConsumerARN: this.#consumerArn,
      ShardId: shardId,
      StartingPosition: {
        Type: place.type,
        SequenceNumber: "sequence" in place ? place.sequence : undefined,
        Timestamp: "timestampMs" in place ? new Date(place.timestampMs) : undefined,
      },
    });
    // The subscription outlives the request's time limit, so it has the caller's signal instead of the limit's.
    const send = () => this.#client.send(command, { abortSignal: signal });
    const { EventStream } = await this.#try("SubscribeToShard", signal, send);
    return this.#pages(EventStream!, signal);
  }

  async *#pages(events: AsyncIterable<SubscribeToShardEventStream>, signal: AbortSignal): AsyncIterable<PushedPage> {
    const iterator = events[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value, done } = await this.#translated("SubscribeToShard", signal, () => iterator.next());
        if (done) return;
        const event = value.SubscribeToShardEvent;
        if (event === undefined) continue;
        yield {
          records: (event.Records ?? []).map(toRecord),
          continuation: event.ContinuationSequenceNumber,
          behindLatestMs: event.MillisBehindLatest ?? 0,
        };
      }
    } finally {
      // Not waited for: a stream that hangs would never come back.
      iterator.return?.()?.catch(() => {});
    }
  }

  async #arn(signal: AbortSignal): Promise<string> {
    return this.#streamArn ??= this.#connection.settings.streamArn ?? (await this.describeStream(signal)).arn;
  }

  serverTimeMs(): number | undefined {
    return this.#connection.serverTimeMs();
  }

  close(): void {
    this.#client.destroy();
    this.#connection.close();
  }

  #try<T>(operation: Operation, signal: AbortSignal, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { settings: { requestTimeoutMs: limitMs }, clock } = this.#connection;
    const what = this.#describe(operation);
    return this.#translated(operation, signal, () => withTimeLimit({ what, limitMs, clock, signal }, send));
  }

  async #translated<T>(operation: Operation, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    const { settings } = this.#connection;
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = readFailure(error);
      if (code === "ExpiredIteratorException") throw new ExpiredIteratorError(message, { cause: error });
      const aboutShard = operation === "GetShardIterator" || operation === "SubscribeToShard";
      if (code === "ResourceNotFoundException" && aboutShard && /shard/i.test(message)) {
        throw new ShardGoneError(message, { cause: error });
      }
      const what = this.#describe(operation);
      if (code === "InvalidArgumentException" && aboutShard && /sequence ?number/i.test(message)) {
        throw new ForeignSequenceError(`cannot ${what}: ${message}`, { cause: error });
      }
      throw serviceError(error, {
        what,
        right: `kinesis:${operation}`,
        whenMissing: "create the stream, or correct kinesis.stream or aws.region",
        fixedKeys: settings.accessKey !== undefined,
      });
    }
  }

  #describe(operation: Operation): string {
    const { settings, where } = this.#connection;
    return `${operation} of stream ${this.#name} at ${where(settings.kinesisEndpoint)}`;
  }
}

function toRecord(record: _Record): StreamRecord {
  return {
    sequence: record.SequenceNumber!,
    data: record.Data ?? new Uint8Array(0),
    partitionKey: record.PartitionKey ?? "",
    arrivalMs: record.ApproximateArrivalTimestamp?.getTime() ?? NaN,
  };
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
