import { dirname, join } from "node:path";
import { statFile, STATS_AT_A_TIME } from "./paths.ts";
import { type FoundFile, listDirectory } from "./walk.ts";

/**
 * Where files went that are no longer under their paths: to another name in the same directory, as in a rotation. Good
 * for one search: each directory is listed once.
 */
export class RenamedFiles {
  readonly #byDirectory = new Map<string, Map<string, FoundFile>>();

  /** The file under its new name; null when its directory doesn't have it. */
  async find({ path, device, inode }: Pick<FoundFile, "path" | "device" | "inode">): Promise<FoundFile | null> {
    const directory = dirname(path);
    let files = this.#byDirectory.get(directory);
    if (files === undefined) {
      files = await filesByInode(directory);
      this.#byDirectory.set(directory, files);
    }
    return files.get(`${device}:${inode}`) ?? null;
  }
}

async function filesByInode(directory: string): Promise<Map<string, FoundFile>> {
  const byInode = new Map<string, FoundFile>();
  const names = (await listDirectory(directory, [])).filter(({ isFile }) => isFile).map(({ name }) => name);
  for (let i = 0; i < names.length; i += STATS_AT_A_TIME) {
    const paths = names.slice(i, i + STATS_AT_A_TIME).map((name) => join(directory, name));
    for (const file of await Promise.all(paths.map((path) => statFile(path).catch(() => null)))) {
      if (file !== null) byInode.set(`${file.device}:${file.inode}`, file);
    }
  }
  return byInode;
}
