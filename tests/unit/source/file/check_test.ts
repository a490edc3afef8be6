import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileSource } from "../../../../src/source/file.ts";
import { checkFiles } from "../../../../src/source/file/check.ts";
import type { FileConfig } from "../../../../src/source/file/options.ts";
import { defaultConfig } from "../../../support/default_config.ts";

async function check(fields: Partial<FileConfig>, files: Readonly<Record<string, string>> = {}) {
  const root = await Deno.makeTempDir({ prefix: "check-" });
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(root, name), text);
    const path = (fields.path ?? []).map((item) => item === "-" || item === "sample:" ? item : join(root, item));
    const config = defaultConfig(fileSource.options, {
      checkpoint: join(root, "new", "deep", "checkpoint.json"),
      ...fields,
      path,
    });
    const results = await checkFiles(config);
    const left = (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
    assertEquals(left, Object.keys(files).sort(), "check left something behind");
    return results;
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("checkFiles() counts files and bytes, and tries the checkpoint file", async () => {
  const results = await check({ path: ["*.log"] }, { "a.log": "12345", "b.log": "x".repeat(2048) });
  assertEquals(results.map(({ ok }) => ok), [true, true]);
  assertEquals(results[0].detail, "2 with 2 kB");
  assertStringIncludes(results[1].detail, "first start");
});

Deno.test("checkFiles() says what is missing, which is no error for a glob or with file.follow", async () => {
  const [plain] = await check({ path: ["missing.log"] });
  assert(!plain.ok && plain.detail.includes("missing.log"));
  for (const config of [{ path: ["*.log"] }, { path: ["missing.log"], follow: true }]) {
    const [found] = await check(config);
    assert(found.ok && found.detail.includes("yet"), found.detail);
  }
});

Deno.test("checkFiles() refuses directories and a checkpoint file that can't be written", async () => {
  assertEquals((await check({ path: ["."] }))[0].ok, false);
  const [, checkpoint] = await check({ path: ["sample:"], checkpoint: "/dev/null/x/checkpoint.json" });
  assert(!checkpoint.ok && checkpoint.what.includes("/dev/null/x/checkpoint.json"));
});

Deno.test("checkFiles() needs no checkpoint file for standard input alone", async () => {
  assertEquals((await check({ path: ["-"] })).map(({ what }) => what), ["standard input"]);
});
