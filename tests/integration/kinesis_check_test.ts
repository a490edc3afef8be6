import { assert, assertEquals } from "@std/assert";
import { checkKinesis } from "../../src/source/kinesis/check.ts";
import { openSdkPorts } from "../../src/source/kinesis/sdk_ports.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import type { CheckResult } from "../../src/source/source.ts";
import { createSource, sharedServers } from "../support/kinesis_harness.ts";
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
