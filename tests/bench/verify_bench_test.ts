import { assertEquals } from "@std/assert";
import { benchVerify } from "./verify_bench.ts";

for (const kind of ["made-up", "files"] as const) {
  Deno.test(`the verify bench finds all ${kind} objects`, async () => {
    const { objects, findings } = await benchVerify(2000, kind);
    assertEquals([objects, findings], [2000, 0]);
  });
}
