import { assertEquals } from "@std/assert";
import denoConfig from "../../../deno.json" with { type: "json" };
import { PERMISSIONS } from "../../../src/build/build.ts";

Deno.test("the start task may do exactly what the compiled program may do", () => {
  const flags = denoConfig.tasks.start.split(" ").filter((word) => word.startsWith("--"));
  assertEquals(flags, PERMISSIONS);
});
