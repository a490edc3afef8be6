import { assertEquals } from "@std/assert";
import { Metrics } from "../../../src/runtime/metrics.ts";

Deno.test("Metrics adds up counters by name and labels, in any order of the labels", () => {
  const metrics = new Metrics();
  metrics.count("flushes_total", 1, { trigger: "age", target: "s3" });
  metrics.count("flushes_total", 2, { target: "s3", trigger: "age" });
  metrics.count("flushes_total", 4, { target: "s3", trigger: "bytes" });
  metrics.gauge("held_bytes", 10);
  metrics.gauge("held_bytes", 7);
  assertEquals(metrics.value("flushes_total", { trigger: "age", target: "s3" }), 3);
  assertEquals([metrics.total("flushes_total"), metrics.total("held_bytes"), metrics.total("none")], [7, 7, 0]);
  assertEquals(metrics.samples().map(({ name, kind, value }) => [name, kind, value]), [
    ["flushes_total", "counter", 3],
    ["flushes_total", "counter", 4],
    ["held_bytes", "gauge", 7],
  ]);
});

Deno.test("withGaugeLabels() keeps parts' gauges apart and adds up their counters", () => {
  const metrics = new Metrics(), parts = ["a", "b"].map((part) => metrics.withGaugeLabels({ part }));
  for (const [i, part] of parts.entries()) {
    part.count("flushes_total", 1, { trigger: "age" });
    part.gauge("held_bytes", 10 + i);
    part.gauge("held_bytes", 20 + i);
  }
  assertEquals(metrics.value("flushes_total", { trigger: "age" }), 2);
  assertEquals([metrics.value("held_bytes", { part: "b" }), metrics.total("held_bytes")], [21, 41]);
});
