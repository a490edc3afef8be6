import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { prefixedTarget } from "../../../src/target/prefixed_target.ts";
import { isReadable } from "../../../src/target/target.ts";
import { storedObject } from "../../support/stored_object.ts";
import { MemoryTarget } from "./memory_target.ts";

Deno.test("prefixedTarget() puts below the prefix, and is readable only when its target is", async () => {
  const memory = new MemoryTarget();
  const target = prefixedTarget(memory, "replay/2026-11-01");
  assertEquals(isReadable(target), false);
  await target.put(storedObject("_manifests/t/1.json", "{}"), new AbortController().signal);
  assertEquals(memory.order, ["replay/2026-11-01/_manifests/t/1.json"]);
});

Deno.test("prefixedTarget() takes prefixes whose segments are safe", () => {
  for (const prefix of ["a", "a/b-c_d.e=f+g,h@i:j", "x".repeat(100)]) prefixedTarget(new MemoryTarget(), prefix);
  const wrong: [string, string][] = [
    ["", "is empty"],
    ["/a", "empty segment"],
    ["a/", "empty segment"],
    ["a//b", "empty segment"],
    ["..", 'begins with "."'],
    ["a/../b", 'begins with "."'],
    [".hidden", 'begins with "."'],
    ["a/_manifests", 'begins with "_"'],
    ["a b", 'may not hold " "'],
    ["a\\b", 'may not hold "\\\\"'],
    ["{project}", 'may not hold "{"'],
    ["é", 'may not hold "é"'],
    ["x".repeat(101), "longer than 100 bytes"],
  ];
  for (const [prefix, message] of wrong) {
    const error = assertThrows(() => prefixedTarget(new MemoryTarget(), prefix), RangeError);
    assertStringIncludes((error as Error).message, message);
  }
});
