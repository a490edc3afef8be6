import { assert, assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../src/runtime/errors.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { checkKinesis } from "../../src/source/kinesis/check.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import type { CheckResult } from "../../src/runtime/check_result.ts";
import { type FaultFront, startFaultFront } from "../support/kinesis_front.ts";
import { createSource, sharedServers } from "../support/kinesis_harness.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { until } from "../support/until.ts";
import { testRuntime } from "../support/stored_object.ts";

const NEVER = new AbortController().signal;

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

function check(settings: KinesisSettings): Promise<CheckResult[]> {
  return checkKinesis(settings, testRuntime(), { openPorts: openSdkPorts, signal: NEVER });
}

function find(results: readonly CheckResult[], text: string): CheckResult {
  const found = results.find(({ what }) => what.includes(text));
  assert(found !== undefined, `nothing about "${text}" in ${JSON.stringify(results)}`);
  return found;
}

test("check says that a stream isn't there, and what to do", async () => {
  const servers = await sharedServers();
  const results = await check(servers.settings("nowhere"));
  const { ok, detail } = find(results, "stream nowhere is there");
  assertEquals(ok, false);
  for (const part of ["DescribeStreamSummary", "nowhere", servers.kinesisUrl, "correct kinesis.stream"]) {
    assert(detail.includes(part), detail);
  }
  assert(find(results, "lease table").detail.includes("the first start creates it"));
});

test("check counts shards and leases, and says whose they are, without changing anything", async () => {
  const servers = await sharedServers();
  const stream = await servers.createStream(3);
  const settings = servers.settings(stream, { workerId: "owner-1", failoverTimeMs: 30_000 });
  const source = createSource(settings);
  await source.open({ assigned: async () => {}, revoking: async () => {}, lost() {} }, NEVER);
  const before = await servers.items(settings.leaseTable);
  const results = await check(settings);
  assertEquals(results.filter(({ ok }) => !ok), []);
  assert(find(results, "shards of").detail.startsWith("3 open, 0 closed"));
  assert(find(results, "leases").detail.length > 0);
  assert(results.some(({ what, detail }) => what === "leases" && detail.startsWith("3 of shards under way")));
  assert(find(results, "owners").detail.startsWith("owner-1 has 3 "), find(results, "owners").detail);
  assertEquals(find(results, "behind").detail, "nothing to catch up with");
  const keys = (items: typeof before) => items.map(({ leaseKey, checkpoint }) => [leaseKey, checkpoint]);
  assertEquals(keys(await servers.items(settings.leaseTable)), keys(before));
  await source.close();
});

/** Runs with fronts of the servers that refuse. */
async function withFronts(
  servers: KinesisServers,
  run: (fronts: { kinesis: FaultFront; dynamodb: FaultFront }) => Promise<void>,
): Promise<void> {
  const kinesis = startFaultFront(servers.kinesisUrl, 1), dynamodb = startFaultFront(servers.dynamodbUrl, 2);
  try {
    await run({ kinesis, dynamodb });
  } finally {
    await Promise.all([kinesis.close(), dynamodb.close()]);
  }
}

/** A stream that was read once: it has a table, with leases that nobody owns. */
async function streamWithLeases() {
  const servers = await sharedServers();
  const settings = servers.settings(await servers.createStream(1));
  const source = createSource(settings);
  await source.open({ assigned: async () => {}, revoking: async () => {}, lost() {} }, NEVER);
  await source.close();
  return { servers, settings };
}

test("check names the right that is missing, for each call that a run needs", async () => {
  const { servers, settings } = await streamWithLeases();
  const cases: ["kinesis" | "dynamodb", string, string][] = [
    ["kinesis", "DescribeStreamSummary", "is there"],
    ["kinesis", "ListShards", "can be listed"],
    ["kinesis", "GetShardIterator", "can be read"],
    ["kinesis", "GetRecords", "can be read"],
    ["dynamodb", "DescribeTable", "lease table"],
    ["dynamodb", "Scan", "leases in"],
    ["dynamodb", "GetItem", "leases in"],
    ["dynamodb", "PutItem", "can be written"],
    ["dynamodb", "UpdateItem", "can be written"],
    ["dynamodb", "DeleteItem", "can be written"],
  ];
  const before = await servers.items(settings.leaseTable);
  await Promise.all(cases.map(([service, operation, what]) =>
    withFronts(servers, async (fronts) => {
      const { kinesis, dynamodb } = fronts;
      fronts[service].deny(operation);
      const results = await check({ ...settings, kinesisEndpoint: kinesis.url, dynamodbEndpoint: dynamodb.url });
      const failed = results.filter(({ ok }) => !ok);
      assertEquals(failed.length, 1, `${operation}: ${JSON.stringify(failed)}`);
      assert(failed[0].what.includes(what), failed[0].what);
      assert(failed[0].detail.endsWith(`allow these credentials ${service}:${operation}`), failed[0].detail);
    })
  ));
  assertEquals(await servers.items(settings.leaseTable), before);
});

test("check looks at the consumer of enhanced fan-out and its rights, and registers nothing", async () => {
  const servers = await KinesisServers.startLocal();
  const stream = await servers.createStream(1);
  const settings = servers.settings(stream, { enhancedFanOut: true });
  const { api, store } = await openSdkPorts(settings, testRuntime(), NEVER);
  try {
    await withFronts(servers, async ({ kinesis }) => {
      const look = () => check({ ...settings, kinesisEndpoint: kinesis.url });
      const consumer = async () => find(await look(), "consumer");
      const first = await consumer();
      assert(first.ok && first.detail.includes("the first start does it (that needs kinesis:RegisterStreamConsumer)"));
      assertEquals(kinesis.counts.get("RegisterStreamConsumer"), undefined);
      await api.registerConsumer(settings.leaseTable, NEVER);
      assertEquals((await look()).filter(({ ok }) => !ok), []);
      assertEquals((await consumer()).detail, "is ACTIVE");
      assertEquals(find(await look(), "subscribed").detail, "yes");
      for (const [operation, what] of [["DescribeStreamConsumer", "consumer"], ["SubscribeToShard", "subscribed"]]) {
        kinesis.refused.clear();
        kinesis.deny(operation);
        const { ok, detail } = find(await look(), what);
        assert(!ok && detail.endsWith(`allow these credentials kinesis:${operation}`), detail);
      }
    });
  } finally {
    api.close();
    store.close();
    await servers.stop();
  }
});

test("check tries whether metrics can be published, without publishing any", async () => {
  const servers = await sharedServers();
  const stream = await servers.createStream(1);
  const cases: [string, number, boolean, string][] = [
    ["MissingParameter", 400, true, "yes"],
    ["InvalidParameterValue", 400, true, "yes"],
    [
      "AccessDenied",
      403,
      false,
      "allow these credentials cloudwatch:PutMetricData, or set aws.enable-cloudwatch=false",
    ],
    ["InvalidClientTokenId", 403, false, "correct aws.access-key, or the credentials of this machine"],
  ];
  let code = "", status = 0;
  const bodies: string[] = [];
  const service = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    bodies.push(await request.text());
    return new Response(`<E><Error><Code>${code}</Code><Message>no</Message></Error></E>`, { status });
  });
  const cloudwatchEndpoint = `http://127.0.0.1:${service.addr.port}`;
  for (const [refusal, answer, expected, end] of cases) {
    [code, status] = [refusal, answer];
    const results = await check(servers.settings(stream, { enableCloudwatch: true, cloudwatchEndpoint }));
    const { ok, detail } = find(results, "CloudWatch");
    assertEquals([ok, detail.slice(-end.length)], [expected, end]);
  }
  assert(bodies.every((body) => body.includes("PutMetricData") && !body.includes("MetricName")), bodies.join());
  await service.shutdown();
});

test("check says who assigns shards, and when the config contradicts that", async () => {
  const { servers, settings } = await streamWithLeases();
  const look = async (assignment: KinesisSettings["assignment"]) => {
    const results = await check({ ...settings, assignment });
    return [find(results, "who assigns").detail, ...results.filter(({ ok }) => !ok).map(({ detail }) => detail)];
  };
  const alone = ["each worker takes its part"];
  const [auto, leader] = await Promise.all([look("auto"), look("leader")]);
  assertEquals([auto, leader], [alone, ["nobody", "is leader, but nobody could lead: leave it out"]]);
  const lut = { N: String(Math.floor(Date.now() / 1000)) };
  const put = (item: Parameters<typeof servers.putItem>[1]) => servers.putItem(settings.leaseTable, item);
  await put({
    leaseKey: { S: "Migration3.0" },
    entityType: { S: "CLIENT_VERSION_MIGRATION" },
    cv: { S: "CLIENT_VERSION_3X" },
  });
  await put({ leaseKey: { S: "kcl-1" }, entityType: { S: "WORKER_METRIC_STATS" }, lut });
  const led = "the leader of a KCL 3 fleet (workers alive: 1)";
  const [auto2, take2] = await Promise.all([look("auto"), look("take")]);
  assertEquals([auto2, take2], [[led], [led, "is take, but a leader takes that back: leave it out"]]);
});

test("leases of a stream that was made anew are named with the way out, by check and by a run", async () => {
  const { servers, settings } = await streamWithLeases();
  const [lease] = await servers.items(settings.leaseTable);
  // Of another stream's first shard.
  const checkpoint = { S: "49600000000000000000000000000000000000000000000000000002" };
  await servers.putItem(settings.leaseTable, { ...lease, checkpoint });
  const wayOut = `table ${settings.leaseTable} has leases of the old one: stop all workers of the table and delete it`;
  const found = find(await check(settings), "this stream's");
  assert(!found.ok && found.detail.includes(wayOut), found.detail);

  const source = createSource(settings);
  await source.open({ assigned: async () => {}, revoking: async () => {}, lost() {} }, NEVER);
  const error = await assertRejects(() => source.poll({ maxRows: 10, maxBytes: 1 << 20 }, NEVER), FatalError);
  assert(error.message.includes(wayOut), error.message);
  await source.close();

  // Here the new stream has fewer shards.
  await servers.putItem(settings.leaseTable, lease);
  await servers.putItem(settings.leaseTable, { ...lease, leaseKey: { S: "shardId-000000000007" }, checkpoint });
  const warnings: string[] = [];
  const runtime = testRuntime({ log: { ...silentLog, warn: (message) => void warnings.push(message) } });
  const second = createSource(settings, { runtime });
  await second.open({ assigned: async () => {}, revoking: async () => {}, lost() {} }, NEVER);
  await until("it is said", () => warnings.some((message) => message.includes(wayOut)));
  await second.close();
});

test("an open shard whose lease has ended is named by check, and warned of at the start", async () => {
  const { servers, settings } = await streamWithLeases();
  const [lease] = await servers.items(settings.leaseTable);
  await servers.putItem(settings.leaseTable, { ...lease, checkpoint: { S: "SHARD_END" } });
  const wayOut = `delete their rows from table ${settings.leaseTable}`;
  const found = find(await check(settings), "have ended");
  assert(!found.ok && found.detail.includes(wayOut) && found.detail.endsWith(lease.leaseKey.S!), found.detail);

  const warnings: string[] = [];
  const runtime = testRuntime({ log: { ...silentLog, warn: (message) => void warnings.push(message) } });
  const source = createSource(settings, { runtime });
  await source.open({ assigned: async () => {}, revoking: async () => {}, lost() {} }, NEVER);
  await source.close();
  assertEquals(warnings.length, 1);
  assert(warnings[0].startsWith("1 open shards have leases that have ended") && warnings[0].includes(wayOut));
});
