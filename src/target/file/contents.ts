import { FatalError, RetriableError } from "../../runtime/errors.ts";
import { join } from "node:path";
import { isInside, keySegments } from "./directory.ts";
import { unlessGone } from "./list.ts";

const READ_BYTE_LENGTH = 256 * 1024;

/**
 * The real path of the file that holds the key's object, below `root` (a real path); null when there is none.
 *
 * @throws FatalError when a link leads out of the root.
 */
export async function findFile(root: string, key: string): Promise<string | null> {
  const path = join(root, ...keySegments(key));
  const real = await unlessGone(Deno.realPath(path));
  if (real === null) return null;
  if (!isInside(root, real)) {
    throw new FatalError(
      `${path} is a link to ${real}, outside of ${root}: remove it; nothing is read or removed there`,
    );
  }
  const info = await unlessGone(Deno.stat(real));
  return info?.isFile ? real : null;
}

/** A file's contents as it is now; one that is replaced meanwhile is read on as it was. */
export async function* readContents(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const file = await Deno.open(path);
  try {
    const { size } = await file.stat();
    for (let left = size; left > 0;) {
      signal.throwIfAborted();
      const bytes = new Uint8Array(Math.min(left, READ_BYTE_LENGTH));
      const byteLength = await file.read(bytes);
      if (byteLength === null) throw new RetriableError(`${path} became shorter by ${left} bytes while it was read`);
      left -= byteLength;
      yield bytes.subarray(0, byteLength);
    }
  } finally {
    file.close();
  }
}
