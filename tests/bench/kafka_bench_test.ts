import { assertEquals, assertGreater } from "@std/assert";
import { benchKafka } from "./kafka_bench.ts";

Deno.test({
  name: "a tiny run of the Kafka bench reads everything on every side",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const results = await benchKafka({ rows: 2000, size: "small", rounds: 1, variants: ["gzip:6"] });
    assertEquals(results.map(({ name }) => name), ["plain gzip:6", "source only", "collector gzip:6"]);
    for (const { rowsPerSecond, peakMegabytes } of results) {
      assertGreater(rowsPerSecond, 0);
      assertGreater(peakMegabytes, 0);
    }
  },
});
