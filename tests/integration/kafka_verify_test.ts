/** `collector verify` of what was read from Kafka: committed offsets, and hours that are complete although partitions idle. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { type PartitionLog, recordOf } from "../support/kafka_log.ts";
import { inScratchDirectory } from "../support/scratch.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** The beginning of yesterday, UTC: markers are for the past. */
const START = Math.floor(Date.now() / DAY - 1) * DAY;

function write(log: PartitionLog, ...minutes: number[]): void {
  log.write({
    records: minutes.map((minute) => recordOf(`{"minute":${minute}}`, { timestamp: START + minute * MINUTE })),
  });
}

function test(name: string, run: (cluster: FakeKafka, cwd: string) => Promise<void>): void {
  const fn = async () => {
    const cluster = new FakeKafka();
    try {
      await inScratchDirectory((cwd) => run(cluster, cwd));
    } finally {
      cluster.stop();
    }
  };
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

function configOf(cluster: FakeKafka): string[] {
  return settings({
    "stream.source": "kafka",
    "kafka.nodes": cluster.nodes.join(","),
    "kafka.topic": "orders",
    "kafka.group.id": "verified",
    "kafka.offset": "earliest",
    "target": "file",
    "target.file.directory": "out",
    "middleware.max-flush-duration": "200ms",
    "stream.max-flush-duration": "100ms",
    "pipeline.workers": "0",
  });
}

/** Collects until so many rows are stored. */
async function collect(cluster: FakeKafka, cwd: string, rows: number): Promise<void> {
  await using collector = new CollectorProcess(["run", ...configOf(cluster)], { cwd });
  const out = join(cwd, "out");
  await Deno.mkdir(out, { recursive: true });
  using watcher = Deno.watchFs(out);
  const stored = (async () => {
    if (await storedRows(out) >= rows) return;
    for await (const _ of watcher) if (await storedRows(out) >= rows) return;
  })();
  await collector.until(stored);
  collector.kill("SIGTERM");
  assertEquals((await collector.end()).code, 0);
}

async function storedRows(out: string): Promise<number> {
  let rows = 0;
  const directory = join(out, "_manifests/orders");
  try {
    for await (const { name } of Deno.readDir(directory)) {
      const { ranges } = JSON.parse(await Deno.readTextFile(join(directory, name)));
      for (const range of ranges) rows += range.rows;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return rows;
}

test(
  "collector verify compares manifests with the group's offsets, and marks hours although partitions idle",
  async (cluster, cwd) => {
    const [busy, idle, empty] = cluster.createTopic("orders", 3);
    assertEquals(empty.end, 0);
    write(busy, 181, 200, 245, 299, 371);
    write(idle, 190);
    await collect(cluster, cwd, 6);
    const verify = async (...flags: string[]) => {
      const { code, stdout, stderr } = await runCollector(["verify", ...configOf(cluster), "--json", ...flags], {
        cwd,
      });
      assert(stdout !== "", stderr);
      return { code, report: JSON.parse(stdout) };
    };
    const { code, report } = await verify("--deep");
    assertEquals([code, report.counts], [0, {}]);
    assertEquals(report.splits.map((split: { split: string; committed: string }) => [split.split, split.committed]), [
      ["orders/0", "5"],
      ["orders/1", "1"],
    ]);
    write(idle, 300); // behind what was read: nobody knows what else of its hours there is
    const held = (await verify("--hour-markers")).report.hourMarkers;
    assertEquals([held.written, held.parents[0].heldBackBy], [0, "orders/1"]);
    await collect(cluster, cwd, 7);
    const marked = (await verify("--hour-markers")).report.hourMarkers;
    assert(marked.written >= 3, "all partitions are read to their ends: every hour up to now is complete");
    const yesterday = new Date(START).toISOString().slice(0, 10);
    assert((await Deno.stat(join(cwd, `out/_complete/orders/dt=${yesterday}/hour=03.json`))).isFile);
    assertEquals((await verify("--hour-markers")).report.hourMarkers.written, 0);
  },
);

test(
  "collector verify finds offsets that are committed and in no manifest",
  async (cluster, cwd) => {
    const [log] = cluster.createTopic("orders", 1);
    write(log, 1, 2, 3);
    await collect(cluster, cwd, 3);
    write(log, 4, 5);
    await collect(cluster, cwd, 5);
    const directory = join(cwd, "out/_manifests/orders");
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    await Deno.remove(join(directory, names.at(-1)!));
    const { code, stdout } = await runCollector(["verify", ...configOf(cluster)], { cwd });
    assertEquals(code, 4, stdout);
    assertStringIncludes(stdout, "orders/0 is committed at 5, and manifests cover it up to 3 only");
  },
);
