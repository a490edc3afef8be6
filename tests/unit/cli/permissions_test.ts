import { assertEquals } from "@std/assert";
import denoConfig from "../../../deno.json" with { type: "json" };
import { PERMISSIONS } from "../../../src/build/build.ts";

Deno.test("deno task start may do just what the compiled program may do", () => {
  const [command, subcommand, ...rest] = denoConfig.tasks.start.split(" ");
  assertEquals([command, subcommand], ["deno", "run"]);
  assertEquals(rest, [...PERMISSIONS, "main.ts", "config.example.properties"]);
});
