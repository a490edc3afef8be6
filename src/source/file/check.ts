import { formatBytes } from "../../runtime/format.ts";
import { dirname } from "node:path";
import type { CheckResult } from "../../runtime/check_result.ts";
import type { FileConfig } from "./options.ts";
import { type FoundFile, Paths } from "./paths.ts";

/** Files that are opened to see whether they can be read; a permission that misses one mostly misses all. */
const TRIED_FILES = 1000;

/** Whether what `file.path` names is there and can be read, and the checkpoint file written. */
export async function checkFiles(config: FileConfig): Promise<CheckResult[]> {
  const paths = new Paths(config.path);
  const results: CheckResult[] = [];
  if (paths.standardInput) results.push({ ok: true, what: "standard input", detail: "read until its end" });
  if (paths.sample) results.push({ ok: true, what: "sample events", detail: "come with the collector" });
  if (paths.hasFiles) results.push(await checkReadable(paths, config.follow));
  if (paths.hasFiles || paths.sample) results.push(await checkCheckpoint(config.checkpoint));
  return results;
}

async function checkReadable(paths: Paths, follow: boolean): Promise<CheckResult> {
  const what = "files to read";
  try {
    const { files, missing } = await paths.find();
    for (const file of files.slice(0, TRIED_FILES)) await tryToOpen(file);
    const plain = paths.plain(missing);
    if (plain.length > 0 && !follow) return { ok: false, what, detail: `there is no ${plain.join(", no ")}` };
    const byteLength = files.reduce((sum, { size }) => sum + size, 0);
    const none = missing.length > 0 ? `; nothing matches ${missing.join(", ")} yet` : "";
    return { ok: true, what, detail: `${files.length} with ${formatBytes(byteLength)}${none}` };
  } catch (error) {
    return { ok: false, what, detail: (error as Error).message };
  }
}

async function tryToOpen({ path }: FoundFile): Promise<void> {
  try {
    (await Deno.open(path)).close();
  } catch (error) {
    throw new Error(`can't read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Tries without leaving anything behind: the nearest directory that exists must take a file. */
async function checkCheckpoint(path: string): Promise<CheckResult> {
  const what = `checkpoint file ${path}`;
  try {
    if (await exists(path)) {
      (await Deno.open(path, { read: true, write: true })).close();
      return { ok: true, what, detail: "exists and may be written" };
    }
    let directory = dirname(path);
    while (!await exists(directory) && dirname(directory) !== directory) directory = dirname(directory);
    await Deno.remove(await Deno.makeTempFile({ dir: directory, prefix: ".collector-check-" }));
    return { ok: true, what, detail: "will be made: this is the first start" };
  } catch (error) {
    return { ok: false, what, detail: `can't be written: ${(error as Error).message}` };
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
