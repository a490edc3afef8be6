/** Small files that survive a crash, and locks that don't. */
import { dirname } from "node:path";

/** A lock that is held. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Takes flock(2) of a file, which is made with its directory when it is missing: the system frees the lock when the
 * process dies, however it dies. Null when another process has it.
 *
 * @throws what Deno throws when the file can't be opened.
 */
export async function lockFile(path: string): Promise<FileLock | null> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const file = await Deno.open(path, { create: true, write: true });
  if (!await file.tryLock(true)) {
    file.close();
    return null;
  }
  // Unlocked first: a process that is being forked off elsewhere may share the open file for a moment longer.
  return {
    release: async () => {
      await file.unlock();
      file.close();
    },
  };
}

/**
 * Replaces a file whole: written under a temporary name, fsynced, renamed, and the directory fsynced, so that after a
 * crash there is the old or the new one.
 *
 * @throws what Deno throws.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await Deno.open(temporary, { create: true, write: true, truncate: true });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  const directory = await Deno.open(dirname(path));
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}
