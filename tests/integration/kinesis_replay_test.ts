/** `collector replay` over a stream, in processes that are killed, while records arrive and shards are split. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";

async function* filesBelow(directory: string): AsyncIterable<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

/** Ids of the rows, sorted; and the SHA-256 of every object by its path below the directory. */
async function stored(directory: string): Promise<{ ids: number[]; sums: Record<string, string> }> {
  const ids: number[] = [], sums: Record<string, string> = {};
  for await (const path of filesBelow(directory)) {
    const bytes = await Deno.readFile(path);
    sums[path.slice(directory.length)] = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    if (!path.endsWith(".ndjson.gz")) continue;
    for (const line of gunzipSync(bytes).toString().trim().split("\n")) ids.push(JSON.parse(line).properties.id);
  }
  return { ids: ids.sort((a, b) => a - b), sums };
}

/** Resolves when so many units are stored. */
async function stores(directory: string, units: number): Promise<void> {
  for (;; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const found: string[] = [];
    try {
      for await (const path of filesBelow(join(directory, "p"))) if (path.endsWith(".gz")) found.push(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (found.length >= units) return;
  }
}

/** A time, epoch ms, after everything until now and before everything from now on; it has passed. */
async function laterThanNow(): Promise<number> {
  const edge = Date.now() + 2;
  while (Date.now() <= edge) await new Promise((resolve) => setTimeout(resolve, 1));
  return edge;
}

Deno.test({
  name: "a replay of a stream has exactly its range, and the same objects when it is killed and goes on",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await KinesisServers.startLocal(); // it starts iterators at a time
    const stream = await servers.createStream(3);
    const work = await Deno.makeTempDir({ prefix: "collector-kinesis-replay-" });
    const argumentsOf = (name: string, from: number, to: number) => [
      "replay",
      "--from",
      new Date(from).toISOString(),
      "--to",
      new Date(to).toISOString(),
      "--prefix",
      name,
      ...settings({
        "stream.source": "kinesis",
        "kinesis.stream": stream,
        "aws.kinesis-endpoint": servers.kinesisUrl,
        "aws.dynamodb-endpoint": servers.dynamodbUrl,
        "aws.region": "us-east-1",
        "aws.access-key": "test",
        "aws.secret-access-key": "test",
        "aws.enable-cloudwatch": "false",
        "source.data-format": "JSON",
        "replay.directory": "jobs",
        "replay.unit-size": "1MB",
        "target": "file",
        "target.file.directory": "out",
      }),
    ];
    let put = 0;
    const more = async (count: number) => {
      const records = Array.from({ length: count }, () => {
        const id = put++;
        const text = JSON.stringify({ project: "p", collection: "c", properties: { id, pad: "x".repeat(900) } });
        return { key: `k${id}`, data: new TextEncoder().encode(text) };
      });
      await servers.put(stream, records);
      return await laterThanNow();
    };
    try {
      const from = await more(300);
      const middle = await more(2500);
      await servers.split(stream, (await servers.openShards(stream))[0]);
      const to = await more(2500);
      await more(200);

      const undisturbed = [["whole", from, to], ["parts/first", from, middle], ["parts/second", middle, to]] as const;
      await Promise.all(undisturbed.map(async ([name, start, end]) => {
        const { code, stderr } = await runCollector(argumentsOf(name, start, end), { cwd: work });
        assertEquals(code, 0, stderr);
      }));
      const expected = await stored(join(work, "out/whole"));
      assertEquals(expected.ids, Array.from({ length: 5000 }, (_, i) => 300 + i));
      const { ids } = await stored(join(work, "out/parts"));
      assertEquals(ids, expected.ids, "ranges next to each other have every record once");

      for (const units of [1, 3]) {
        await using replay = new CollectorProcess(argumentsOf("killed", from, to), { cwd: work });
        await replay.until(stores(join(work, "out/killed"), units));
        replay.kill("SIGKILL");
        await replay.status;
      }
      const end = await runCollector(argumentsOf("killed", from, to), { cwd: work });
      assertEquals(end.code, 0, end.stderr);
      const found = await stored(join(work, "out/killed"));
      const data = (sums: Record<string, string>) =>
        Object.fromEntries(Object.entries(sums).filter(([path]) => !path.startsWith("/_replays/")));
      assertEquals(data(found.sums), data(expected.sums));
      for (const name of ["killed", "parts/first", "parts/second"]) {
        const flags = argumentsOf(name, from, to).slice(5); // without the range
        const { code, stdout } = await runCollector(["verify", ...flags], { cwd: work });
        assertEquals(code, 0, stdout);
        assertStringIncludes(stdout, "1 report, all covered");
      }
    } finally {
      await servers.stop();
      await Deno.remove(work, { recursive: true });
    }
  },
});
