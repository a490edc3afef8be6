import { assert, assertEquals, assertGreater } from "@std/assert";
import { benchKafka } from "./kafka_bench.ts";

Deno.test({
  name: "a tiny run of the Kafka bench reads everything on every side",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const results = await benchKafka({
      rows: 2000,
      size: "small",
      rounds: 1,
      variants: ["gzip:6"],
      memory: "300MB",
      sets: [],
    });
    assertEquals(results.map(({ name }) => name), ["plain gzip:6", "source only", "collector gzip:6"]);
    assertEquals(Object.keys(results[2].stages!).sort(), ["compress", "decode", "encode"]);
    assert(["compress", "decode", "encode", "source", "waiting"].includes(results[2].wall!), results[2].wall);
    for (const { rowsPerSecond, peakMegabytes } of results) {
      assertGreater(rowsPerSecond, 0);
      assertGreater(peakMegabytes, 0);
    }
  },
});
