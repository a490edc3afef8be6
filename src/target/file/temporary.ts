import { join } from "node:path";
import { makeDirectory } from "./directory.ts";

/**
 * Where files are written before they get their names: below the root, so that a rename never crosses file systems,
 * and hidden, so that readers of the directory skip it.
 */
export const TEMPORARY_DIRECTORY = ".collector-tmp";

/** A file that nobody sees yet. Whoever has it locked is alive; the lock goes with its process, however that ends. */
export interface TemporaryFile {
  readonly path: string;
  readonly file: Deno.FsFile;
}

/** Creates and locks an empty temporary file. The caller closes it, and renames or removes it. `mode` as for open(2). */
export async function createTemporary(root: string, name: string, mode?: number): Promise<TemporaryFile> {
  const path = join(root, TEMPORARY_DIRECTORY, name);
  const file = await openNew(path, mode).catch(async (error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await makeDirectory(join(root, TEMPORARY_DIRECTORY)); // removed by another collector that ended
    return await openNew(path, mode);
  });
  await tryLock(file);
  return { path, file };
}

function openNew(path: string, mode: number | undefined): Promise<Deno.FsFile> {
  return Deno.open(path, { write: true, createNew: true, mode });
}

/** True when the lock is ours; also where the file system has no locks (then nobody tidies up after others). */
async function tryLock(file: Deno.FsFile): Promise<"locked" | "taken" | "unsupported"> {
  try {
    return await file.tryLock(true) ? "locked" : "taken";
  } catch {
    return "unsupported"; // some network file systems
  }
}

/** Removes what killed processes left behind; files that a living process holds are locked and stay. Returns how many. */
export async function removeStaleTemporaries(root: string): Promise<number> {
  let removed = 0;
  for await (const entry of Deno.readDir(join(root, TEMPORARY_DIRECTORY))) {
    if (entry.isFile && await removeIfStale(join(root, TEMPORARY_DIRECTORY, entry.name))) removed++;
  }
  return removed;
}

async function removeIfStale(path: string): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { write: true });
  } catch {
    return false; // renamed meanwhile, or another user's
  }
  try {
    if (await tryLock(file) !== "locked") return false;
    await Deno.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  } finally {
    file.close();
  }
}

/** Removes the directory of temporary files when nobody uses it; others' files keep it. */
export async function removeTemporaryDirectory(root: string): Promise<void> {
  try {
    await Deno.remove(join(root, TEMPORARY_DIRECTORY));
  } catch {
    // Not empty (another collector is writing), or gone already: either way there is nothing to tidy up.
  }
}
