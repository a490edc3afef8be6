import { formatBytes } from "../../runtime/format.ts";
import { dirname } from "node:path";
import type { CheckResult } from "../../runtime/check_result.ts";
import type { SourceContext } from "../source.ts";
import { type FileConfig, pathsOf } from "./options.ts";
import type { Paths } from "./paths.ts";
import { type FoundFile, type Skipped, unreadable } from "./walk.ts";

/** Files that are opened to see whether they can be read; a permission that misses one mostly misses all. */
const TRIED_FILES = 1000;

/** Links and own folders that are named; of more, only how many there are. */
const MAX_NAMED = 3;

/** Whether what `file.path` names is there and can be read, and the checkpoint file written. */
export async function checkFiles(config: FileConfig, context: Pick<SourceContext, "target">): Promise<CheckResult[]> {
  const paths = pathsOf(config, context);
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
    const { files, missing, skipped } = await paths.find();
    const left = [...skipped];
    for (const file of files.slice(0, TRIED_FILES)) {
      const problem = await tryToOpen(file);
      if (problem !== null) left.push(problem);
    }
    const plain = paths.plain(missing);
    if (plain.length > 0 && !follow) return { ok: false, what, detail: `there is no ${plain.join(", no ")}` };
    const byteLength = files.reduce((sum, { size }) => sum + size, 0);
    const parts = [`${files.length} with ${formatBytes(byteLength)}`];
    // A run that ends would end with nothing read.
    const nothing = missing.length > 0 && !follow;
    if (missing.length > 0) parts.push(`nothing matches ${missing.join(", ")}${follow ? " yet" : ""}`);
    const bad = left.filter(({ kind }) => kind === "wrong" || kind === "unreadable");
    if (bad.length > 0) parts.push(`can't read ${named(bad)}`);
    const others = left.filter(({ kind }) => kind === "own" || kind === "link");
    if (others.length > 0) parts.push(`left out: ${named(others)}`);
    return { ok: bad.length === 0 && !nothing, what, detail: parts.join("; ") };
  } catch (error) {
    return { ok: false, what, detail: (error as Error).message };
  }
}

function named(skipped: readonly Skipped[]): string {
  const some = skipped.slice(0, MAX_NAMED).map(({ path, why }) => `${path} (${why})`);
  return `${some.join(", ")}${skipped.length > MAX_NAMED ? ` and ${skipped.length - MAX_NAMED} more` : ""}`;
}

async function tryToOpen({ path }: FoundFile): Promise<Skipped | null> {
  try {
    (await Deno.open(path)).close();
    return null;
  } catch (error) {
    return unreadable(path, error);
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
