/** Small files that survive a crash, and locks that don't. None but their owner reads them. */
import { dirname, resolve } from "node:path";

/** Modes of what may hold records or tell of them: files and directories that only their owner may use. */
export const PRIVATE_FILE = 0o600, PRIVATE_DIRECTORY = 0o700;

/** A lock that is held. */
export interface FileLock {
  release(): Promise<void>;
}

/** Makes the entries of a directory durable: a created or renamed file may be gone after a power cut without this. */
export async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return; // a directory can't be opened there, and NTFS journals its entries
  const directory = await Deno.open(path, { read: true });
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}

/**
 * Makes a directory's own name durable, and those of the directories that it is in, whoever made them: one that exists may
 * have been made a moment ago by a process that was killed before it synced it. Those that we may not read are left out.
 */
export async function syncPathTo(directory: string): Promise<void> {
  for (let at = resolve(directory); dirname(at) !== at; at = dirname(at)) {
    await syncDirectory(dirname(at)).catch((error) => {
      if (!(error instanceof Deno.errors.PermissionDenied) && !(error instanceof Deno.errors.NotCapable)) throw error;
    });
  }
}

/**
 * Takes flock(2) of a file, which is made with its directory, durable, when it is missing: the system frees the lock when the
 * process dies, however it dies. Null when another process has it.
 *
 * @param directoryMode of the directory it stands in, when that is made; its parents are made as usual.
 *
 * @throws what Deno throws when the file can't be opened.
 */
export async function lockFile(path: string, directoryMode?: number): Promise<FileLock | null> {
  const directory = dirname(path);
  await Deno.mkdir(dirname(directory), { recursive: true });
  await Deno.mkdir(directory, { recursive: true, mode: directoryMode });
  await syncPathTo(directory);
  const file = await Deno.open(path, { create: true, write: true, mode: PRIVATE_FILE });
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
  const file = await Deno.open(temporary, { create: true, write: true, truncate: true, mode: PRIVATE_FILE });
  try {
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    await file.sync();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  await syncDirectory(dirname(path));
}
