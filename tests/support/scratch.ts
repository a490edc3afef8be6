/** Directories that tests work in, the events that they put there, and what came of them. */
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Runs `work` in a new directory, and removes it afterwards. */
export async function inScratchDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "collector-test-" });
  try {
    return await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Events with ids [first, first + count), one a line, of two projects in turns. */
export function events(first: number, count: number): string {
  let text = "";
  for (let id = first; id < first + count; id++) {
    text += JSON.stringify({ project: `p${id % 2}`, collection: "c", properties: { id, _time: 1.7e12 + id } }) + "\n";
  }
  return text;
}

/** Paths of all files below the directory, sorted; none where there is no such directory, or no longer. */
export async function filesBelow(directory: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const path = join(directory, name);
      if (isDirectory) files.push(...await filesBelow(path));
      else files.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files.sort();
}

/** The objects in a file of gzip, one a line. */
export async function readRows(path: string): Promise<Record<string, unknown>[]> {
  const lines = gunzipSync(await Deno.readFile(path)).toString().trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

export function idOf(row: Readonly<Record<string, unknown>>): number {
  return (row.properties as { id: number }).id;
}

/** The ids of all rows that are stored below the directory, sorted; not those of dead letters. */
export async function storedIds(directory: string): Promise<number[]> {
  const ids: number[] = [];
  for (const path of await filesBelow(directory)) {
    if (!path.endsWith(".ndjson.gz") || path.includes("_dead-letters")) continue;
    for (const row of await readRows(path)) ids.push(idOf(row));
  }
  return ids.sort((a, b) => a - b);
}

/** What the mode says of files and directories: "600". */
export async function modeOf(path: string): Promise<string> {
  return ((await Deno.stat(path)).mode! & 0o777).toString(8);
}
