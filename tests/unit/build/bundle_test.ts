import { assertEquals } from "@std/assert";
import { filesBeside } from "../../../src/build/bundle.ts";

Deno.test("filesBeside finds every file that code loads from its own folder, once", () => {
  const cases: [code: string, files: string[]][] = [
    ["", []],
    [`new URL("./a.ts", import.meta.url)`, ["./a.ts"]],
    [`new Worker(\n  new URL("./a.ts", import.meta.url),\n  {})`, ["./a.ts"]],
    [`new URL(\n  "./a.bin",\n  import.meta.url\n)`, ["./a.bin"]],
    [`f(new URL("./a.ts", import.meta.url), new URL("../b.ts", import.meta.url))`, ["./a.ts", "../b.ts"]],
    [`new URL("./a.ts", import.meta.url); new URL("./a.ts", import.meta.url)`, ["./a.ts"]],
    [`new URL("./a.ts", base); new URL(import.meta.url); new URL("http://a/b")`, []],
  ];
  for (const [code, files] of cases) assertEquals(filesBeside(code), files, code);
});
