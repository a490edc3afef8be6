/** A tiny run of each bench: they go on working, and their results follow from their seed. No times are looked at. */
import { assertEquals } from "@std/assert";
import { runAvroBench } from "./avro_bench.ts";
import { benchDecode } from "./decode_bench.ts";
import { runBench } from "./encode_bench.ts";
import { benchPipeline } from "./pipeline_bench.ts";
import { CASES, runShape } from "./shapes_bench.ts";

for (const size of ["large", "small"] as const) {
  Deno.test(`the decode bench gives the same pages each time with ${size} events`, async () => {
    const run = () => benchDecode({ size, layout: "RAKAM" }, { rowCount: 500, rounds: 1 });
    assertEquals((await run()).hash, (await run()).hash);
  });

  Deno.test(`the encode bench writes what JSON.stringify writes with ${size} events`, () => {
    assertEquals(runBench(size, 200, 0).hash, runBench(size, 200, 0).hash);
  });

  Deno.test(`the pipeline bench gives the same rows whatever the workers with ${size} events`, async () => {
    const run = () => benchPipeline({ size, level: 1, rowCount: 30_000, rounds: 1 });
    assertEquals((await run()).hash, (await run()).hash);
  });
}

Deno.test("the Avro bench writes what avsc and JSON.stringify write", () => {
  assertEquals(runAvroBench(500, 1).hash, runAvroBench(500, 1).hash);
});

for (const [name, shapeCase] of Object.entries(CASES)) {
  Deno.test(`the shapes bench gives the same objects each time with ${name}`, () => {
    assertEquals(runShape(shapeCase, 400).hash, runShape(shapeCase, 400).hash);
  });
}
