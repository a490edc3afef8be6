/** The program itself, as processes with its real permissions: killed, stopped, and another in its place. */
import { assert, assertEquals } from "@std/assert";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { sharedServers } from "../support/kinesis_harness.ts";
import { storedIds } from "../support/scratch.ts";
import { until } from "../support/until.ts";

Deno.test({
  name: "collectors on one stream lose nothing when one is killed, and nothing comes twice when one stops",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const stream = await servers.createStream(4);
    const directory = await Deno.makeTempDir({ prefix: "collector-kinesis-" });
    const args = settings({
      "stream.source": "kinesis",
      "kinesis.stream": stream,
      "kinesis.consumer-dynamodb-table": `${stream}-leases`,
      "kinesis.poll-interval": "200ms",
      "aws.kinesis-endpoint": servers.kinesisUrl,
      "aws.dynamodb-endpoint": servers.dynamodbUrl,
      "aws.region": "us-east-1",
      "aws.access-key": "test",
      "aws.secret-access-key": "a-secret-that-nobody-prints",
      "aws.enable-cloudwatch": "false",
      "source.data-format": "JSON",
      "source.data-format.json.layout": "RAKAM",
      "middleware.max-flush-duration": "300ms",
      "target": "file",
      "target.file.directory": directory,
    });
    let put = 0;
    const more = async (count: number) => {
      const records = Array.from({ length: count }, () => {
        const id = put++;
        const text = JSON.stringify({ project: "p", collection: "c", properties: { id } });
        return { key: `k${id}`, data: new TextEncoder().encode(text) };
      });
      await servers.put(stream, records);
    };
    const stored = async () => new Set(await storedIds(directory)).size === put;
    const arrived = () => until("everything is stored", stored, { intervalMs: 50 });
    // Only the one that takes over waits for a lease to expire; the others' must not, be the machine ever so busy.
    const start = (failover = "10m") =>
      new CollectorProcess(["run", ...args, ...settings({ "kinesis.failover-time": failover })], { cwd: directory });
    try {
      await more(500);
      const first = start();
      await arrived();
      first.kill("SIGKILL");
      await first.status;
      await more(500);
      const heir = start("20s");
      await arrived();
      heir.kill("SIGTERM");
      assertEquals((await heir.end()).code, 0);
      await more(500);
      const second = start();
      await arrived();
      second.kill("SIGTERM");
      assertEquals((await second.end()).code, 0);
      // What the killed one had written and not committed may be there twice; from here on nothing may.
      const before = (await storedIds(directory)).length;
      await more(500);
      await using third = start();
      await arrived();
      assertEquals((await storedIds(directory)).length, before + 500);
      third.kill("SIGTERM");
      const { code, stderr } = await third.end();
      assertEquals(code, 0);
      assert(!stderr.includes("a-secret-that-nobody-prints"));
      const check = await runCollector(["check", ...args], { cwd: directory });
      assertEquals(check.code, 0, check.stdout);
      assert(check.stdout.includes("4 of shards under way"), check.stdout);
      assert(!(check.stdout + check.stderr).includes("a-secret-that-nobody-prints"));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
