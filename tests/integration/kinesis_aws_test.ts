/** The requests that are signed by hand, against servers that look at them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../src/runtime/errors.ts";
import { CloudWatchPublisher } from "../../src/source/kinesis/aws/cloudwatch.ts";
import { connectToAws } from "../../src/source/kinesis/aws/connect.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import { sharedServers } from "../support/kinesis_harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { testRuntime } from "../support/stored_object.ts";
import { Metrics } from "../../src/runtime/metrics.ts";

const NEVER = new AbortController().signal;

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

interface Asked {
  readonly parameters: URLSearchParams;
  readonly authorization: string;
  readonly token: string | null;
}

/** A service of the query protocol that answers as it is told. */
function serve(answer: (asked: Asked) => Response) {
  const asked: Asked[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { headers } = request;
    const authorization = headers.get("authorization") ?? "", token = headers.get("x-amz-security-token");
    const one = { parameters: new URLSearchParams(await request.text()), authorization, token };
    asked.push(one);
    return answer(one);
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, asked, stop: () => server.shutdown() };
}

async function settings(fields: Partial<KinesisSettings>): Promise<KinesisSettings> {
  return { ...(await sharedServers()).settings("s"), ...fields };
}

test("metrics go to CloudWatch under the names of the KCL, and a failure stops nothing", async () => {
  let status = 500;
  const service = serve(() => new Response("<PutMetricDataResponse/>", { status }));
  const clock = new ManualClock(), metrics = new Metrics();
  const runtime = testRuntime({ clock, metrics });
  const config = await settings({ cloudwatchEndpoint: service.url, leaseTable: "application" });
  const connection = await connectToAws(config, runtime, NEVER);
  const origin = {
    workerId: "worker-1",
    leaseCounts: { total: 8, expired: 1, workers: 4, held: 2, lost: 3 },
    takeShardCounts: () => [{ shard: "shardId-1", records: 10, bytes: 2000, behindLatestMs: 1500 }],
  };
  const stop = new AbortController();
  const running = new CloudWatchPublisher(connection, runtime).run(origin, stop.signal);
  clock.advance(60_000);
  while (metrics.total("collector_kinesis_cloudwatch_failures_total") === 0) await new Promise((r) => setTimeout(r, 5));
  status = 200;
  stop.abort();
  await running;
  const { parameters, authorization } = service.asked.at(-1)!;
  assertEquals([parameters.get("Action"), parameters.get("Namespace")], ["PutMetricData", "application"]);
  assert(/Credential=test\/\d{8}\/us-east-1\/monitoring\/aws4_request/.test(authorization), authorization);
  const found = new Map<string, string>();
  for (let i = 1; parameters.has(`MetricData.member.${i}.MetricName`); i++) {
    const member = `MetricData.member.${i}`;
    const dimension = (j: number) => parameters.get(`${member}.Dimensions.member.${j}.Value`);
    const name = `${dimension(1)} ${dimension(2)} ${parameters.get(`${member}.MetricName`)}`;
    found.set(name, `${parameters.get(`${member}.Value`)} ${parameters.get(`${member}.Unit`)}`);
  }
  assertEquals(Object.fromEntries(found), {
    "ProcessTask shardId-1 RecordsProcessed": "10 Count",
    "ProcessTask shardId-1 DataBytesProcessed": "2000 Bytes",
    "ProcessTask shardId-1 MillisBehindLatest": "1500 Milliseconds",
    "RenewAllLeases worker-1 CurrentLeases": "2 Count",
    "RenewAllLeases worker-1 LostLeases": "0 Count",
    "TakeLeases worker-1 TotalLeases": "8 Count",
    "TakeLeases worker-1 ExpiredLeases": "1 Count",
    "TakeLeases worker-1 NumWorkers": "4 Count",
  });
  connection.close();
  await service.stop();
});

const ROLE = "arn:aws:iam::123456789012:role/reader";

test("a role is assumed, and its credentials are used", async () => {
  const service = serve(() =>
    new Response(
      "<R><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>" +
        "<SessionToken>t/+=</SessionToken><Expiration>2090-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></R>",
    )
  );
  const fields = { assumeRole: ROLE, assumeRoleExternalId: "x 1", stsEndpoint: service.url, workerId: "host:1" };
  const connection = await connectToAws(await settings(fields), testRuntime(), NEVER);
  const { accessKeyId, sessionToken } = await connection.credentials();
  assertEquals([accessKeyId, sessionToken], ["ASIA1", "t/+="]);
  assertEquals(service.asked.length, 1);
  const { parameters } = service.asked[0];
  assertEquals(
    ["RoleArn", "ExternalId", "RoleSessionName"].map((name) => parameters.get(name)),
    [ROLE, "x 1", "host-1"],
  );
  connection.close();
  await service.stop();
});

test("a role that may not be assumed is said at once", async () => {
  const service = serve(() =>
    new Response("<E><Error><Code>AccessDenied</Code><Message>not you</Message></Error></E>", { status: 403 })
  );
  const fields = { assumeRole: ROLE, stsEndpoint: service.url };
  const config = await settings(fields);
  const error = await assertRejects(() => connectToAws(config, testRuntime(), NEVER), FatalError);
  assert(error.message.startsWith(`cannot assume the role ${ROLE}: not you: see that its trust policy`), error.message);
  await service.stop();
});
