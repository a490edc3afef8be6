import { DynamoDBClient, GetItemCommand, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  type Shard,
  SplitShardCommand,
} from "@aws-sdk/client-kinesis";
import dynalite from "dynalite";
import kinesalite from "kinesalite";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createFetchHandler } from "../../src/runtime/aws/fetch_handler.ts";
import { kinesisOptions } from "../../src/source/kinesis/options.ts";
import { type KinesisSettings, kinesisSettings } from "../../src/source/kinesis/settings.ts";
import { defaultConfig } from "./default_config.ts";
import { startKinesisLocal } from "./kinesis_local_server.ts";

/** A server of one of the emulators. */
interface EmulatorServer {
  listen(port: number, host: string, callback: () => void): void;
  address(): AddressInfo | string | null;
  close(callback: () => void): void;
  prependListener(event: "request", listener: (request: IncomingMessage) => void): void;
}

/** The emulators throw when a client breaks off, which would end the test: they are kept from listening to that. */
function forgiving(server: EmulatorServer): EmulatorServer {
  server.prependListener("request", (request) => {
    const on = request.on.bind(request) as (event: string, listener: (...args: unknown[]) => void) => IncomingMessage;
    request.on = ((event: string, listener: (...args: unknown[]) => void) =>
      on(event, event === "error" ? () => {} : listener)) as typeof request.on;
  });
  return server;
}

function listen(server: EmulatorServer): Promise<number> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

async function serve(server: EmulatorServer): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await listen(forgiving(server));
  const stop = () => new Promise<void>((resolve) => server.close(resolve));
  return { url: `http://127.0.0.1:${port}`, stop };
}

function newDynalite(): EmulatorServer {
  return dynalite({ createTableMs: 10, deleteTableMs: 10 }) as EmulatorServer;
}

/** Kinesis and DynamoDB in this process, speaking their protocols; empty at the start, one for all tests of a file. */
export class KinesisServers {
  readonly kinesisUrl: string;
  readonly dynamodbUrl: string;
  readonly kinesis: KinesisClient;
  readonly dynamodb: DynamoDBClient;
  readonly #stop: () => Promise<unknown>;
  readonly #fetch = createFetchHandler();
  #names = 0;

  private constructor(kinesisUrl: string, dynamodbUrl: string, stop: () => Promise<unknown>) {
    this.#stop = stop;
    this.kinesisUrl = kinesisUrl;
    this.dynamodbUrl = dynamodbUrl;
    const config = {
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      requestHandler: this.#fetch.handler,
    };
    this.kinesis = new KinesisClient({ ...config, endpoint: this.kinesisUrl });
    this.dynamodb = new DynamoDBClient({ ...config, endpoint: this.dynamodbUrl });
  }

  static async start(): Promise<KinesisServers> {
    const stream = kinesalite({ createStreamMs: 10, updateStreamMs: 20, deleteStreamMs: 10, shardLimit: 1000 });
    const [kinesis, dynamodb] = await Promise.all([serve(stream as EmulatorServer), serve(newDynalite())]);
    return new KinesisServers(kinesis.url, dynamodb.url, () => Promise.all([kinesis.stop(), dynamodb.stop()]));
  }

  /**
   * With kinesis-local, in a process of its own: it starts iterators at a time, says how far behind a read is, ends shards
   * with their last record, and pushes.
   */
  static async startLocal(): Promise<KinesisServers> {
    const [kinesis, dynamodb] = await Promise.all([startKinesisLocal(), serve(newDynalite())]);
    return new KinesisServers(kinesis.url, dynamodb.url, () => Promise.all([kinesis.stop(), dynamodb.stop()]));
  }

  async stop(): Promise<void> {
    this.kinesis.destroy();
    this.dynamodb.destroy();
    this.#fetch.close();
    await this.#stop();
  }

  /** A new stream, ready for use. Its name is also free for a table. */
  async createStream(shardCount: number): Promise<string> {
    const name = `stream-${++this.#names}`;
    await this.kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: shardCount }));
    await this.active(name);
    return name;
  }

  async active(stream: string): Promise<void> {
    for (;;) {
      const { StreamDescriptionSummary: summary } = await this.kinesis.send(
        new DescribeStreamSummaryCommand({ StreamName: stream }),
      );
      if (summary?.StreamStatus === "ACTIVE") return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Records with the same number have the same key, so the same shard at a time. */
  async put(stream: string, records: readonly { readonly key: string; readonly data: Uint8Array }[]): Promise<void> {
    for (let i = 0; i < records.length; i += 500) {
      const Records = records.slice(i, i + 500).map(({ key, data }) => ({ PartitionKey: key, Data: data }));
      const { FailedRecordCount } = await this.kinesis.send(new PutRecordsCommand({ StreamName: stream, Records }));
      if (FailedRecordCount) throw new Error(`${FailedRecordCount} records were not taken`);
    }
  }

  async shards(stream: string): Promise<Shard[]> {
    return (await this.kinesis.send(new ListShardsCommand({ StreamName: stream }))).Shards ?? [];
  }

  async openShards(stream: string): Promise<Shard[]> {
    const shards = await this.shards(stream);
    return shards.filter((shard) => shard.SequenceNumberRange?.EndingSequenceNumber === undefined);
  }

  /** Splits an open shard in the middle. */
  async split(stream: string, shard: Shard): Promise<void> {
    const { StartingHashKey, EndingHashKey } = shard.HashKeyRange!;
    const middle = (BigInt(StartingHashKey!) + BigInt(EndingHashKey!)) / 2n;
    await this.kinesis.send(
      new SplitShardCommand({ StreamName: stream, ShardToSplit: shard.ShardId, NewStartingHashKey: String(middle) }),
    );
    await this.active(stream);
  }

  async merge(stream: string, left: Shard, right: Shard): Promise<void> {
    await this.kinesis.send(
      new MergeShardsCommand({ StreamName: stream, ShardToMerge: left.ShardId, AdjacentShardToMerge: right.ShardId }),
    );
    await this.active(stream);
  }

  async items(table: string) {
    const { Items } = await this.dynamodb.send(new ScanCommand({ TableName: table, ConsistentRead: true }));
    return Items ?? [];
  }

  async item(table: string, leaseKey: string) {
    const { Item } = await this.dynamodb.send(
      new GetItemCommand({ TableName: table, Key: { leaseKey: { S: leaseKey } }, ConsistentRead: true }),
    );
    return Item;
  }

  async putItem(table: string, item: NonNullable<PutItemCommand["input"]["Item"]>): Promise<void> {
    await this.dynamodb.send(new PutItemCommand({ TableName: table, Item: item }));
  }

  /** Settings that reach these servers, with short times. */
  settings(stream: string, fields: Partial<KinesisSettings> = {}): KinesisSettings {
    const config = defaultConfig(kinesisOptions, {
      stream,
      leaseTable: `${stream}-leases`,
      kinesisEndpoint: this.kinesisUrl,
      dynamodbEndpoint: this.dynamodbUrl,
      region: "us-east-1",
      accessKey: "test",
      secretAccessKey: "test",
      enableCloudwatch: false,
      failoverTimeMs: 2000,
      pollIntervalMs: 30,
      shardSyncIntervalMs: 500,
    });
    return { ...kinesisSettings(config), ...fields };
  }
}
