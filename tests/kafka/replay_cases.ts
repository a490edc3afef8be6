/** `collector replay` over a real Apache Kafka, in processes that are killed, beside a live collector. */
import { join } from "node:path";
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import type { Kafka } from "kafkajs";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import type { KafkaCluster } from "./cluster.ts";
import { countRows, mistakes } from "./rows.ts";

export interface ReplayCaseParts {
  readonly cluster: KafkaCluster;
  readonly kafka: Kafka;
  /** Where the collectors work. */
  readonly work: string;
  kafkaTest(name: string, fn: () => Promise<void>): void;
  newTopic(partitions: number): Promise<string>;
  /** Sends numbered events [from, to), spread over the partitions. */
  produce(topic: string, from: number, to: number, partitions: number): Promise<void>;
  /** Produces all the while, until it is stopped; then tells how many. */
  load(topic: string, partitions: number): { readonly produced: number; stop(): Promise<number> };
  /** A live collector of the topic. */
  collector(topic: string, out: string): CollectorProcess;
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
}

/** SHA-256 of every object below the directory, by its path. */
async function checksums(directory: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for await (const { name, isFile, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (isDirectory) {
      for (const [key, sum] of Object.entries(await checksums(path))) sums[`${name}/${key}`] = sum;
    } else if (isFile) {
      const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      sums[name] = new Uint8Array(digest).toHex();
    }
  }
  return sums;
}

export function replayCases(parts: ReplayCaseParts): void {
  const { cluster, kafka, work, kafkaTest, newTopic, produce, load, collector, until } = parts;

  function replayArguments(topic: string, out: string, flags: readonly string[], extra: Record<string, string> = {}) {
    const config = {
      "stream.source": "kafka",
      "target": "file",
      "target.file.directory": out,
      "replay.directory": `${out}-jobs`,
      "replay.unit-size": "1MB",
      "kafka.nodes": cluster.nodes(),
      "kafka.topic": topic,
      "kafka.group.id": `group-${topic}`,
      "source.data-format.json.layout": "RAKAM",
      ...extra,
    };
    return ["replay", "--into-live", ...flags, ...settings(config)];
  }

  kafkaTest(
    "a replay that is killed again and again comes to the same objects, and leaves the live group alone",
    async () => {
      const topic = await newTopic(5), out = join(work, topic);
      const before = 40_000;
      await produce(topic, 0, before, 5);
      const to = new Date(Date.now() + 1).toISOString(); // the broker's clock is this one
      await until("the end of the range is in the past", () => Date.now() > Date.parse(to));
      await using live = collector(topic, join(out, "live"));
      const running = load(topic, 5);
      const range = (name: string) => replayArguments(topic, join(out, name), ["--from", "2020-01-01", "--to", to]);

      const whole = await runCollector(range("whole"), { cwd: work });
      assertEquals(whole.code, 0, whole.stderr);
      assertEquals(mistakes(await countRows(join(out, "whole")), before), { missing: [], twice: [], unknown: [] });

      let kills = 0;
      for (let delayMs = 20;; delayMs += 60) {
        await using replay = new CollectorProcess([...range("killed"), "--rate", "3MB"], { cwd: work });
        await replay.logs('"message":"replaying"').catch(() => {}); // it may end before
        const timer = setTimeout(() => replay.kill("SIGKILL"), delayMs);
        const { code, signal } = await replay.status;
        clearTimeout(timer);
        if (signal === "SIGKILL") kills++;
        else {
          assertEquals(code, 0, replay.stderr);
          break;
        }
      }
      assertGreaterOrEqual(kills, 3);
      const [expected, found] = [await checksums(join(out, "whole")), await checksums(join(out, "killed"))];
      const data = (sums: Record<string, string>) =>
        Object.fromEntries(Object.entries(sums).filter(([path]) => !path.startsWith("_replays/")));
      assertEquals(data(found), data(expected), "objects, manifests and their names");

      const total = await running.stop() + before;
      await until("all is there", async () => (await countRows(join(out, "live"))).rows >= total);
      live.kill("SIGTERM");
      assertEquals((await live.end()).code, 0, live.stderr);
      assertEquals((await countRows(join(out, "live"))).rows, total, "nothing twice");
      assert(!live.stderr.includes("split lost"), live.stderr);
    },
  );

  kafkaTest("replay --until-now goes on where the last run ended, also on another machine", async () => {
    const topic = await newTopic(3), out = join(work, topic);
    const run = (jobs: string) =>
      runCollector(
        replayArguments(topic, out, ["--until-now", "--job", `now-${topic}`], { "replay.directory": `${out}-${jobs}` }),
        { cwd: work },
      );
    for (
      const [machine, from, to] of [["a", 0, 1000], ["a", 1000, 1500], ["b", 1500, 2500], ["a", 2500, 2600]] as const
    ) {
      await produce(topic, from, to, 3);
      const end = await run(machine);
      assertEquals(end.code, 0, end.stderr);
      assertEquals(mistakes(await countRows(out), to), { missing: [], twice: [], unknown: [] });
    }
    const nothing = await run("b");
    assertEquals(nothing.code, 0);
    assertEquals((await countRows(out)).rows, 2600);
  });

  kafkaTest("replay --historical drains the topic and groups rows by day", async () => {
    const topic = await newTopic(2), late = await newTopic(4), out = join(work, late);
    await produce(late, 0, 20_000, 4);
    const args = replayArguments(topic, out, ["--historical", "--job", "nightly"], {
      "kafka.historical-data-topic": late,
    });
    const first = await runCollector(args, { cwd: work });
    assertEquals(first.code, 0, first.stderr);
    await produce(late, 20_000, 20_500, 4);
    const second = await runCollector(args, { cwd: work });
    assertEquals(second.code, 0, second.stderr);
    assertEquals(mistakes(await countRows(out), 20_500), { missing: [], twice: [], unknown: [] });
    const days = Object.keys(await checksums(join(out, "shop")));
    assert(days.every((path) => path.startsWith("dt=2020-09-13/")), days.join(" "));
    assertGreaterOrEqual(3, days.length, "few objects a day");
    const admin = kafka.admin();
    await admin.connect();
    const [published] = await admin.fetchOffsets({ groupId: `group-${topic}-nightly`, topics: [late] });
    await admin.disconnect();
    assertEquals(published.partitions.map(({ offset }) => Number(offset)), [5125, 5125, 5125, 5125]);
  });
}
