/** What the emulators don't do: pages of shards, refusals, answers that never come. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FatalError, RetriableError } from "../../src/runtime/errors.ts";
import { connectToAws } from "../../src/source/kinesis/aws/connect.ts";
import {
  ExpiredIteratorError,
  ForeignSequenceError,
  type PushedPage,
  ShardGoneError,
} from "../../src/source/kinesis/aws/kinesis_api.ts";
import { SdkKinesisApi } from "../../src/source/kinesis/aws/sdk_kinesis.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import { pushedEvent } from "../support/event_stream.ts";
import { concat } from "../support/kpl.ts";
import { sharedServers } from "../support/kinesis_harness.ts";
import { testRuntime } from "../support/stored_object.ts";

const NEVER = new AbortController().signal;

type Body = Readonly<Record<string, unknown>>;
type Answer = (operation: string, body: Body) => Response | Promise<Response>;

function json(body: Body, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/x-amz-json-1.1" } });
}

/** Runs with an API of a server that answers as it is told. */
async function withApi(
  answer: Answer,
  run: (api: SdkKinesisApi) => Promise<void>,
  fields: Partial<KinesisSettings> = {},
): Promise<void> {
  const stop = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, signal: stop.signal }, async (request) => {
    const operation = request.headers.get("x-amz-target")!.split(".")[1];
    return answer(operation, JSON.parse(await request.text()));
  });
  const kinesisEndpoint = `http://127.0.0.1:${server.addr.port}`;
  const settings = (await sharedServers()).settings("events", { kinesisEndpoint, ...fields });
  const api = new SdkKinesisApi(await connectToAws(settings, testRuntime(), NEVER));
  try {
    await run(api);
  } finally {
    api.close();
    stop.abort();
    await server.finished;
  }
}

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

test("shards are listed over all pages", async () => {
  const asked: Body[] = [];
  const shard = (i: number, parent?: string) => ({
    ShardId: `shard-${i}`,
    ParentShardId: parent,
    HashKeyRange: { StartingHashKey: "0", EndingHashKey: "9" },
    SequenceNumberRange: { StartingSequenceNumber: "1", EndingSequenceNumber: i === 0 ? "5" : undefined },
  });
  const pages: Record<string, Body> = {
    first: { Shards: [shard(0)], NextToken: "second" },
    second: { Shards: [shard(1, "shard-0")], NextToken: "third" },
    third: { Shards: [shard(2, "shard-0")] },
  };
  await withApi((_operation, body) => {
    asked.push(body);
    return json(pages[String(body.NextToken ?? "first")]);
  }, async (api) => {
    const shards = await api.listShards(NEVER);
    assertEquals(shards.map(({ id, parents, open }) => [id, parents, open]), [
      ["shard-0", [], false],
      ["shard-1", ["shard-0"], true],
      ["shard-2", ["shard-0"], true],
    ]);
    await api.listShards(NEVER, 5000);
  });
  // A token stands alone: the service refuses it beside a name.
  assertEquals(asked.slice(0, 3).map(({ StreamName, NextToken }) => [StreamName, NextToken]), [
    ["events", undefined],
    [undefined, "second"],
    [undefined, "third"],
  ]);
  assertEquals(asked[3].ShardFilter, { Type: "FROM_TIMESTAMP", Timestamp: 5 });
});

const FOREIGN = "used in GetShardIterator on shard x is invalid because it did not come from this stream.";

test("refusals are told apart by what is to be done", async () => {
  const cases: [string, string, "getIterator" | "getRecords" | "subscribe", new (...args: never[]) => Error][] = [
    ["ExpiredIteratorException", "Iterator expired.", "getRecords", ExpiredIteratorError],
    ["ProvisionedThroughputExceededException", "Rate exceeded for shard", "getRecords", RetriableError],
    ["KMSThrottlingException", "slow", "getRecords", RetriableError],
    ["KMSDisabledException", "the key is disabled", "getRecords", FatalError],
    ["AccessDeniedException", "not authorized", "getRecords", FatalError],
    ["ResourceNotFoundException", "Shard x in stream events does not exist", "getIterator", ShardGoneError],
    ["ResourceNotFoundException", "Stream events not found", "getIterator", FatalError],
    ["InvalidArgumentException", `StartingSequenceNumber 1 ${FOREIGN}`, "getIterator", ForeignSequenceError],
    ["InvalidArgumentException", `StartingSequenceNumber 1 ${FOREIGN}`, "subscribe", ForeignSequenceError],
    ["ResourceInUseException", "Another active subscription exists for this consumer", "subscribe", RetriableError],
    ["LimitExceededException", "Rate exceeded", "subscribe", RetriableError],
    ["ResourceNotFoundException", "Shard x in stream events does not exist", "subscribe", ShardGoneError],
    ["ResourceNotFoundException", "Consumer c of stream events not found", "subscribe", FatalError],
  ];
  for (const [__type, message, method, expected] of cases) {
    await withApi(() => json({ __type, message }, 400), async (api) => {
      const ask = (): Promise<unknown> =>
        method === "getRecords"
          ? api.getRecords("iterator", undefined, NEVER)
          : api[method]("x", { type: "TRIM_HORIZON" }, NEVER);
      assert((await ask().catch((error) => error)) instanceof expected, `${__type}: ${message}`);
    });
  }
});

test("a request that is not answered is given up, and one that is broken off fails", async () => {
  await withApi(() => new Promise(() => {}), async (api) => {
    const error = await assertRejects(() => api.getRecords("iterator", undefined, NEVER), RetriableError);
    assert((error as Error).message.includes("no answer within 0.2 s"), (error as Error).message);
    const stop = new AbortController();
    const asking = api.getRecords("iterator", undefined, stop.signal);
    stop.abort(new DOMException("enough", "AbortError"));
    assertEquals(await asking.catch((error) => error), stop.signal.reason);
  }, { requestTimeoutMs: 200 });
});

test("records of 10 MB come whole", async () => {
  const data = new Uint8Array(10 << 20).fill(7);
  const record = { SequenceNumber: "5", PartitionKey: "k", ApproximateArrivalTimestamp: 1.5, Data: data.toBase64() };
  await withApi(() => json({ Records: [record], MillisBehindLatest: 9, NextShardIterator: "n" }), async (api) => {
    const { records, behindLatestMs, nextIterator } = await api.getRecords("iterator", 1, NEVER);
    assertEquals([records.length, records[0].arrivalMs, behindLatestMs, nextIterator], [1, 1500, 9, "n"]);
    assertEquals(records[0].data.length, data.length);
    assert(records[0].data.every((byte) => byte === 7));
  });
});

test("a stream's ARN is what is sent when it is given", async () => {
  const streamArn = "arn:aws:kinesis:us-east-1:123456789012:stream/events";
  const asked: Body[] = [];
  await withApi((operation, body) => {
    asked.push(body);
    return operation === "GetShardIterator" ? json({ ShardIterator: "i" }) : json({ Records: [] });
  }, async (api) => {
    await api.getIterator("x", { type: "AT_SEQUENCE_NUMBER", sequence: "7" }, NEVER);
    assertEquals((await api.getRecords("i", undefined, NEVER)).nextIterator, undefined);
  }, { streamArn });
  assertEquals(asked[0], {
    StreamARN: streamArn,
    ShardId: "x",
    ShardIteratorType: "AT_SEQUENCE_NUMBER",
    StartingSequenceNumber: "7",
  });
  assertEquals(asked[1], { StreamARN: streamArn, ShardIterator: "i" });
});

test("a subscription that another one takes over gives what came before, and can be tried again", async () => {
  const record = { SequenceNumber: "5", PartitionKey: "k", ApproximateArrivalTimestamp: 1.5, Data: "aGk=" };
  const page = { Records: [record], ContinuationSequenceNumber: "5", MillisBehindLatest: 7 };
  const messages = [
    pushedEvent("event", "initial-response", {}),
    pushedEvent("event", "SubscribeToShardEvent", page),
    pushedEvent("exception", "ResourceInUseException", { message: "Another active subscription exists" }),
  ];
  const headers = { "content-type": "application/vnd.amazon.eventstream" };
  const pages: PushedPage[] = [];
  await withApi(() => new Response(concat(...messages), { headers }), async (api) => {
    const error = await assertRejects(async () => {
      for await (const page of await api.subscribe("x", { type: "TRIM_HORIZON" }, NEVER)) pages.push(page);
    }, RetriableError);
    assert((error as Error).message.includes("ResourceInUseException: Another active"), (error as Error).message);
  });
  assertEquals(pages.map(({ records, ...rest }) => ({ ...rest, sequences: records.map(({ sequence }) => sequence) })), [
    { continuation: "5", behindLatestMs: 7, sequences: ["5"] },
  ]);
});
