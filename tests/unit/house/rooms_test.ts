/** The rooms of src and their order: see the README's chapter on the layout. */
import { assert, assertEquals } from "@std/assert";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * From the ground up: a room's files may import those of their own room and of rooms before it. Beside each stands the file
 * whose first comment says what the room is for.
 */
const ROOMS: Readonly<Record<string, string>> = {
  "runtime": "runtime.ts",
  "codecs": "detect_compression.ts",
  "records": "record_batch.ts",
  "config": "resolve.ts",
  "columnar": "page.ts",
  "avro": "schema.ts",
  "checkpoint": "checkpoint_file.ts",
  "decode": "record_decoder.ts",
  "schema": "schema_store.ts",
  "encode": "encoder.ts",
  "pipeline": "messages.ts",
  "source": "source.ts",
  "target": "target.ts",
  "loop": "collector.ts",
  "replay": "job.ts",
  "verify": "verify.ts",
  "registry.ts": "",
  "assemble.ts": "",
  "help": "pages.ts",
  "cli": "main.ts",
  "build": "build.ts",
};
const ORDER = Object.keys(ROOMS);

const FOLDER = /^(?:source|target)\/(?:kafka|kinesis|file|s3)\//;

const SRC = new URL("../../../src/", import.meta.url);
const IMPORT = /\b(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.ts)"|new URL\("(\.{1,2}\/[^"]+\.ts)", import\.meta\.url\)/g;

async function* filesBelow(folder: URL): AsyncIterable<URL> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesBelow(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}

const pathOf = (file: URL) => relative(fileURLToPath(SRC), fileURLToPath(file));

/** Every file of src with the files of src that it imports. */
async function readImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for await (const file of filesBelow(SRC)) {
    const path = pathOf(file);
    if (path.startsWith("std/")) continue; // stands in for a package
    const text = await Deno.readTextFile(file);
    imports.set(path, [...text.matchAll(IMPORT)].map(([, from, url]) => pathOf(new URL(from ?? url, file))));
  }
  return imports;
}

/** The files of the first circle that is found, or none. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const other of imports.get(file) ?? []) {
      const circle = visit(other, [...trail, file]);
      if (circle.length > 0) return circle;
    }
    done.add(file);
    return [];
  };
  for (const file of imports.keys()) {
    const circle = visit(file, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

const imports = await readImports();
const roomOf = (path: string) => path.split("/")[0];

Deno.test("every file of src stands in a room", () => {
  const lost = [...imports.keys()].filter((path) => !ORDER.includes(roomOf(path)));
  assertEquals(lost, [], "put it into one of the rooms, or give the new room its place in the list above");
});

Deno.test("each room has a file that says what it is for", async () => {
  for (const [room, file] of Object.entries(ROOMS)) {
    const text = await Deno.readTextFile(new URL(file === "" ? room : `${room}/${file}`, SRC));
    assert(text.startsWith("/**"), `src/${room}/${file} begins with a comment that says what the room is for`);
  }
});

Deno.test("no import of src goes up", () => {
  const up = [...imports].flatMap(([path, others]) =>
    others.filter((other) => ORDER.indexOf(roomOf(other)) > ORDER.indexOf(roomOf(path)))
      .map((other) => `${path} imports ${other}`)
  );
  const advice = "move what both need to the upper room, or have the upper room declare the interface that it needs " +
    "and assemble.ts pass it in";
  assertEquals(up, [], advice);
});

Deno.test("no source and no target looks into another one's folder", () => {
  const across = [...imports].flatMap(([path, others]) => {
    const own = FOLDER.exec(path)?.[0];
    const theirs = others.filter((other) => FOLDER.test(other) && FOLDER.exec(other)?.[0] !== own);
    return own === undefined ? [] : theirs.map((other) => `${path} imports ${other}`);
  });
  assertEquals(across, [], "what two of them need stands beside source.ts or target.ts, or in runtime/");
});

Deno.test("no files of src import each other in a circle", () => {
  assertEquals(circleIn(imports), [], "split one of them: what both need becomes a file of its own");
});
