import { join, relative } from "node:path";
import { fileTarget } from "../../src/target/file.ts";
import type { ObjectTarget } from "../../src/target/target.ts";
import { testRuntime } from "../support/stored_object.ts";
import { type ObjectBackend, objectTargetContract } from "./target_contract.ts";

async function filesBelow(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) found.push(...await filesBelow(path));
    else found.push(path);
  }
  return found;
}

async function directoryBackend(): Promise<ObjectBackend> {
  const directory = await Deno.makeTempDir({ prefix: "file-target-" });
  const temporary = join(directory, ".collector-tmp");
  return {
    create: () => fileTarget.create({ directory }, { runtime: testRuntime() }) as ObjectTarget,
    read: (key) => Deno.readFile(join(directory, key)).catch(() => undefined),
    list: async () => (await filesBelow(directory)).map((path) => relative(directory, path)),
    async fail() {
      await Deno.remove(temporary);
      await Deno.writeTextFile(temporary, "in the way"); // root writes in spite of any permission bits
      return () => Deno.remove(temporary);
    },
    stop: () => Deno.remove(directory, { recursive: true }),
  };
}

objectTargetContract("file", {
  start: directoryBackend,
  oddKeys: [
    "p/dt=2026-11-01/hour=00/a b+c%20&?#.ndjson.gz",
    "_manifests/1.json",
    "..dots/...",
    "ünï/日本/😀",
    "back\\slash",
    "a:b*c|d\"e'f",
  ],
});
