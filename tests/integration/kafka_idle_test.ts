import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { countRows, event } from "../kafka/rows.ts";
import { CollectorProcess, settings } from "../support/collector.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { until } from "../support/until.ts";

Deno.test({
  name: "kafka: what was read is written and committed by the clock, however idle its partition is afterwards",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const cluster = new FakeKafka();
    const work = await Deno.makeTempDir({ prefix: "kafka-idle-" });
    const [busy, idle, silent] = cluster.createTopic("events", 3);
    const config = {
      "stream.source": "kafka",
      "target": "file",
      "target.file.directory": join(work, "out"),
      "kafka.nodes": cluster.nodes.join(","),
      "kafka.topic": "events",
      "kafka.offset": "earliest",
      "source.data-format": "JSON",
      // The page is sealed with the unit, since its own time comes later.
      "stream.max-flush-duration": "1h",
      "middleware.max-flush-duration": "300ms",
    };
    const offset = (partition: number) =>
      Number(cluster.group("presto_streaming").offsets.get(`events/${partition}`)?.offset ?? -1n);
    let next = 0;
    try {
      await using one = new CollectorProcess(["run", ...settings(config)], { cwd: work });
      await one.logs("split assigned");
      idle.values([event(next++)]);
      await until("the only record is committed", () => offset(1) === 1);
      assertEquals((await countRows(join(work, "out"))).rows, 1);
      // Others go on: that one is not written again, and its offset stays.
      for (let i = 0; i < 5; i++) {
        busy.values([event(next++)]);
        await until("the next one is committed", () => offset(0) === i + 1);
      }
      assertEquals([offset(1), offset(2)], [1, 0]);
      // Offsets without records count too.
      silent.values(["never seen"], { attributes: 16, producerId: 7n });
      silent.endTransaction(7n, false);
      await until("the aborted ones are passed", () => offset(2) === 2);
      assertEquals((await countRows(join(work, "out"))).rows, next);
      one.kill("SIGTERM");
      const { code, stderr } = await one.end();
      assertEquals(code, 0, stderr);
      const commits = cluster.group("presto_streaming").commits.filter(({ split }) => split === "events/1");
      assertEquals(commits.map((commit) => commit.offset), [0n, 1n]);
    } finally {
      cluster.stop();
      await Deno.remove(work, { recursive: true });
    }
  },
});
