/** `collector replay` over a topic, in processes of its own; the brokers are in this one. */
import { assert, assertEquals, assertLessOrEqual, assertMatch, assertStringIncludes } from "@std/assert";
import { FakeKafka } from "../support/kafka_broker.ts";
import { recordOf } from "../support/kafka_log.ts";
import { hashes, idsIn, logged, range, ReplayWorld, reportsIn } from "../support/replay_world.ts";

const DAY_MS = 86_400_000;
const COUNT = 9000;
/** Records arrive a second apart; the last one three quarters of an hour ago. */
const START_MS = Math.floor(Date.now() / 1000) * 1000 - COUNT * 1000 - 45 * 60_000;
const arrivalOf = (id: number) => new Date(START_MS + id * 1000).toISOString();

/** Event times are spread over five days. */
function eventOf(id: number): string {
  const properties = { id, _time: Date.UTC(2026, 2, 27) + (id % 5) * DAY_MS + id, pad: "x".repeat(id % 400) };
  return JSON.stringify({ project: "p", collection: "c", properties });
}

/** Events [first, end), by turns in the topic's partitions. */
function send(cluster: FakeKafka, topic: string, first: number, end: number): void {
  const logs = cluster.topics.get(topic)!;
  for (let id = first; id < end; id += 50) {
    const ids = range(id, Math.min(id + 50, end));
    logs[id / 50 % logs.length].write({
      records: ids.map((one) => recordOf(eventOf(one), { timestamp: START_MS + one * 1000 })),
    });
  }
}

function kafkaTest(
  name: string,
  run: (world: ReplayWorld, cluster: FakeKafka, config: Settings) => Promise<void>,
): void {
  const fn = async () => {
    const cluster = new FakeKafka();
    cluster.createTopic("events", 3);
    cluster.createTopic("late", 2);
    await using world = await ReplayWorld.make();
    try {
      await run(world, cluster, {
        "stream.source": "kafka",
        "kafka.nodes": cluster.nodes.join(","),
        "kafka.topic": "events",
        "kafka.group.id": "live",
        "kafka.historical-data-topic": "late",
      });
    } finally {
      cluster.stop();
    }
  };
  Deno.test({ name: `replay of a topic ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

type Settings = Readonly<Record<string, string>>;

kafkaTest(
  "has exactly the records that arrived in the range, and the same objects after a kill",
  async (world, cluster, config) => {
    send(cluster, "events", 0, COUNT);
    const flags = ["--from", arrivalOf(1000), "--to", arrivalOf(8000), "--job", "j"];
    const to = (name: string) => ({ ...config, "target.file.directory": name, "replay.directory": `jobs-${name}` });
    const whole = await world.run(flags, to("whole"));
    assertEquals(whole.code, 0, whole.stderr);
    const expected = await world.objects("whole");
    assertEquals(idsIn(expected), range(1000, 8000));
    assertEquals(reportsIn(expected)[0].from, arrivalOf(1000));
    {
      await using killed = world.start([...flags, "--rate", "1MB"], to("killed"));
      await killed.logs("replaying");
      await Deno.mkdir(world.path("killed"), { recursive: true });
      using watcher = Deno.watchFs(world.path("killed"));
      for await (const { paths } of watcher) if (paths.some((path) => path.includes("_manifests"))) break;
      send(cluster, "events", COUNT, COUNT + 1000);
      killed.kill("SIGKILL");
      await killed.status;
    }
    const end = await world.run(flags, to("killed"));
    assertEquals(end.code, 0, end.stderr);
    assertEquals(hashes(await world.objects("killed")), hashes(expected));
    const parts = [["--last", "2h"], ["--from", arrivalOf(0), "--to", arrivalOf(1)], [
      "--from-offset",
      "0:5",
      "--to-offset",
      "0:8",
    ]];
    for (const part of parts) assertEquals((await world.run(part, to("parts"))).code, 0);
    const ids = idsIn(await world.objects("parts"));
    assertEquals(ids.slice(0, 4), [0, 5, 6, 7]);
    assert(
      ids.length > 4 && ids.at(-1) === COUNT + 999 && ids[4] > 4000 && ids[5] === ids[4] + 1,
      "the last two hours",
    );
    assertEquals(Array.from(cluster.groups.keys()), [], "nobody's group was asked for");
  },
);

kafkaTest("--replace writes what is missing again, and nothing besides", async (world, cluster, config) => {
  send(cluster, "events", 0, 6000);
  const flags = ["--from", arrivalOf(0), "--to", arrivalOf(6000)];
  const first = await world.run(flags, config);
  assertEquals(first.code, 0, first.stderr);
  const before = await world.objects("out");
  const data = Array.from(before.keys()).filter((key) => !key.startsWith("_"));
  assert(data.length > 1, data.join());
  send(cluster, "events", 6000, 7000);
  await Deno.remove(world.path(`out/${data[0]}`));
  const { code, stderr } = await world.run(["--replace", ...flags], config);
  assertEquals(code, 0, stderr);
  const after = await world.objects("out");
  assertEquals(Array.from(after.keys()).sort(), Array.from(before.keys()).sort());
  assertEquals(idsIn(after), range(0, 6000));
});

kafkaTest(
  "--until-now reads what is new since the last run, also on another machine",
  async (world, cluster, config) => {
    const flags = ["--until-now", "--job", "hourly"];
    const counts: unknown[] = [];
    const runs = [["a", 3000], ["a", 5000], ["b", 6000], ["a", 6000], ["a", 7000]] as const;
    for (const [machine, end] of runs) {
      const ids = idsIn(await world.objects());
      if (ids.length < end) send(cluster, "events", ids.length, end);
      const { code, stderr } = await world.run(flags, { ...config, "replay.directory": machine });
      assertEquals(code, 0, stderr);
      counts.push(logged(stderr, "done")[0].records);
    }
    assertEquals(counts, [3000, 2000, 1000, 0, 1000]);
    assertEquals(idsIn(await world.objects()), range(0, 7000));
    assertEquals(Array.from(cluster.groups.keys()), ["live-hourly"]);
  },
);

kafkaTest("--historical drains the historical topic into few objects a day", async (world, cluster, config) => {
  send(cluster, "events", 0, 50);
  send(cluster, "late", 0, COUNT);
  const counts: unknown[] = [];
  for (let runs = 0; runs < 2; runs++) {
    const { code, stderr } = await world.run(["--historical"], { ...config, "replay.unit-size": "64MB" });
    assertEquals(code, 0, stderr);
    counts.push(logged(stderr, "done")[0].records);
  }
  assertEquals(counts, [COUNT, 0]);
  const objects = await world.objects();
  assertEquals(idsIn(objects), range(0, COUNT));
  const data = [...objects.keys()].filter((key) => key.startsWith("p/"));
  assertLessOrEqual(data.length, 5);
  for (const key of data) {
    const day = /^p\/dt=2026-03-(27|28|29|30|31)\//.exec(key)?.[1];
    const days = idsIn(new Map([[key, objects.get(key)!]])).map((id) => String(27 + id % 5));
    assertEquals(new Set(days), new Set([day!]));
  }
  assertEquals([...cluster.groups.keys()].length, 1);
  assertMatch([...cluster.groups.keys()][0], /^live-historical-/);
});

kafkaTest("ends with 4 when a part of the range has expired", async (world, cluster, config) => {
  send(cluster, "events", 0, 600);
  cluster.log("events", 0).deleteBefore(120);
  const { code, stderr } = await world.run(["--from-offset", "0", "--to-offset", "200", "--quiet"], config);
  assertEquals(code, 4, stderr);
  assertStringIncludes(stderr, "a part of the range is missing");
  const [{ missing, totals }] = reportsIn(await world.objects());
  assertEquals([missing.length, totals.rows], [1, 480]);
});

kafkaTest("that goes on while its part expires fails, and says what to do", async (world, cluster, config) => {
  send(cluster, "events", 0, 3000);
  const flags = ["--from-offset", "0", "--to-offset", "1000"];
  {
    await using first = world.start([...flags, "--rate", "1"], config);
    await first.logs("replaying");
    first.kill("SIGKILL");
    await first.status;
  }
  for (const log of cluster.topics.get("events")!) log.deleteBefore(500);
  const failed = await world.run(flags, config);
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "expired before they were read");
  assertStringIncludes(failed.stderr, "begins anew with --discard");
  const anew = await world.run([...flags, "--discard"], config);
  assertEquals(anew.code, 4, anew.stderr);
  assertEquals(reportsIn(await world.objects())[0].totals.rows, 1500);
});
