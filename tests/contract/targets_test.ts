import { assertEquals } from "@std/assert";
import { join, relative } from "node:path";
import { TARGETS } from "../../src/registry.ts";
import { consoleTarget } from "../../src/target/console.ts";
import { fileTarget } from "../../src/target/file.ts";
import { s3Target } from "../../src/target/s3.ts";
import { prefixedTarget } from "../../src/target/prefixed_target.ts";
import type { ObjectTarget, PageTarget } from "../../src/target/target.ts";
import { type S3Server, startS3 } from "../support/s3_server.ts";
import { MemoryOutput } from "../support/memory_output.ts";
import { s3Config } from "../support/s3_config.ts";
import { filesBelow } from "../support/scratch.ts";
import { testRuntime } from "../support/stored_object.ts";
import {
  type ObjectBackend,
  objectTargetContract,
  type ObjectTargetHarness,
  type PageBackend,
  pageTargetContract,
} from "./target_contract.ts";

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

const names: string[] = [];

function objects(name: string, harness: ObjectTargetHarness): void {
  names.push(name);
  objectTargetContract(name, harness);
}

function pages(name: string, start: () => Promise<PageBackend>): void {
  names.push(name);
  pageTargetContract(name, start);
}

objects("file", {
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

/** A target below a prefix of another one. */
async function prefixedBackend(): Promise<ObjectBackend> {
  const backend = await directoryBackend();
  const prefix = "replay/2026-11-01";
  return {
    ...backend,
    create: () => prefixedTarget(backend.create(), prefix),
    read: (key) => backend.read(`${prefix}/${key}`),
    list: async () => (await backend.list()).map((key) => relative(prefix, key)),
  };
}

objectTargetContract("prefixed", { start: prefixedBackend, oddKeys: ["_manifests/1.json", "..dots/..."] });

function outputBackend(): Promise<PageBackend> {
  const output = new MemoryOutput(1000);
  return Promise.resolve({
    create: () =>
      consoleTarget.create({ rowFormat: "flat", commit: false }, {
        runtime: testRuntime(),
        stdout: output,
      }) as PageTarget,
    rows: () =>
      Promise.resolve(output.rows().map((row) => ({ table: `${row.$schema}/${row.$table}`, id: Number(row.id) }))),
    stall: () => output.stall(),
    stop: () => Promise.resolve(),
  });
}

pages("console", outputBackend);

let s3: S3Server | undefined;
let buckets = 0;

/** A bucket of its own on a server that all these tests share. */
async function bucketBackend(): Promise<ObjectBackend> {
  const server = s3 ??= await startS3();
  const bucket = `bucket-${buckets++}`;
  server.createBucket(bucket);
  server.setListPageSize(2);
  const config = s3Config(server, { bucket, partByteLength: 5 * 2 ** 20, requestTimeoutMs: 5_000 });
  return {
    create: () => s3Target.create(config, { runtime: testRuntime() }) as ObjectTarget,
    read: (key) => server.get(key, bucket),
    list: async () => [...await server.list("", bucket), ...server.uploads(bucket).map(({ key }) => key)],
    fail() {
      server.faults.always(() => ({ status: 500 }));
      return Promise.resolve(() => Promise.resolve(server.faults.clear()));
    },
    stop: () => Promise.resolve(),
  };
}

objects("s3", {
  start: bucketBackend,
  servesHere: true,
  oddKeys: [
    "p/dt=2026-11-01/hour=00/a b+c%20&?#.ndjson.gz",
    "_manifests/1.json",
    "..dots/...",
    "ünï/日本/😀",
    "a:b*c|d\"e'f(g)!~,;@$",
    "xml<&>x",
  ],
});

Deno.test("every registered target keeps the contract", () => {
  assertEquals(names.sort(), Object.keys(TARGETS).sort());
});

Deno.test({
  name: "the S3 server of the contract stops",
  fn: async () => await s3?.close(),
  sanitizeOps: false,
  sanitizeResources: false,
});
