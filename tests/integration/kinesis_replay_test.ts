/** `collector replay` over a stream, in processes that are killed, while records arrive and shards are split. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCollector } from "../support/collector.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { hashes, idsIn, type Objects, range, ReplayWorld } from "../support/replay_world.ts";
import { until } from "../support/until.ts";

/** A time, epoch ms, after everything until now and before everything from now on; it has passed. */
async function laterThanNow(): Promise<number> {
  const edge = Date.now() + 2;
  while (Date.now() <= edge) await new Promise((resolve) => setTimeout(resolve, 1));
  return edge;
}

/** Of all that a replay writes but its report. */
function dataHashes(objects: Objects): Record<string, string> {
  return hashes(new Map([...objects].filter(([key]) => !key.startsWith("_replays/"))));
}

Deno.test({
  name: "a replay of a stream has exactly its range, and the same objects when it is killed and goes on",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await KinesisServers.startLocal(); // it starts iterators at a time
    await using world = await ReplayWorld.make();
    try {
      const stream = await servers.createStream(3);
      const config = {
        "stream.source": "kinesis",
        "kinesis.stream": stream,
        "aws.kinesis-endpoint": servers.kinesisUrl,
        "aws.dynamodb-endpoint": servers.dynamodbUrl,
        "aws.region": "us-east-1",
        "aws.access-key": "test",
        "aws.secret-access-key": "test",
        "aws.enable-cloudwatch": "false",
      };
      const flagsOf = (
        prefix: string,
        from: number,
        to: number,
      ) => ["--from", new Date(from).toISOString(), "--to", new Date(to).toISOString(), "--prefix", prefix];
      let put = 0;
      const more = async (count: number) => {
        const records = range(put, put += count).map((id) => {
          const text = JSON.stringify({ project: "p", collection: "c", properties: { id, pad: "x".repeat(900) } });
          return { key: `k${id}`, data: new TextEncoder().encode(text) };
        });
        await servers.put(stream, records);
        return await laterThanNow();
      };
      const from = await more(300);
      const middle = await more(2500);
      await servers.split(stream, (await servers.openShards(stream))[0]);
      const to = await more(2500);
      await more(200);

      const undisturbed = [["whole", from, to], ["parts/first", from, middle], ["parts/second", middle, to]] as const;
      await Promise.all(undisturbed.map(async ([prefix, start, end]) => {
        const { code, stderr } = await world.run(flagsOf(prefix, start, end), config);
        assertEquals(code, 0, stderr);
      }));
      const expected = await world.objects("out/whole");
      assertEquals(idsIn(expected), range(300, 5300));
      const parts = idsIn(await world.objects("out/parts"));
      assertEquals(parts, range(300, 5300), "ranges next to each other have every record once");

      for (const count of [1, 3]) {
        await using replay = world.start(flagsOf("killed", from, to), config);
        const stores = async () => (await world.objects("out/killed/p")).size >= count;
        await replay.until(until("units are stored", stores));
        replay.kill("SIGKILL");
        await replay.status;
      }
      const end = await world.run(flagsOf("killed", from, to), config);
      assertEquals(end.code, 0, end.stderr);
      assertEquals(dataHashes(await world.objects("out/killed")), dataHashes(expected));
      for (const prefix of ["killed", "parts/first", "parts/second"]) {
        const [_replay, ...args] = world.arguments(["--prefix", prefix], config);
        const { code, stdout } = await runCollector(["verify", ...args], { cwd: world.cwd });
        assertEquals(code, 0, stdout);
        assertStringIncludes(stdout, "1 report, all covered");
      }
    } finally {
      await servers.stop();
    }
  },
});
