/**
 * A rotated file that comes back packed: app.log, read and renamed, is app.log.1.gz by now. Its contents are known, so its
 * split goes on where it was: positions count unpacked bytes.
 */
import { basename } from "node:path";
import { PlainFile, readFully } from "../../codecs/byte_stream.ts";
import { detectCompression } from "../../codecs/detect_compression.ts";
import { UnpackedStream } from "../../codecs/unpacked_stream.ts";
import { beginsWith, HEAD_BYTE_LENGTH, type Peek } from "./identity.ts";
import type { TrackedFile } from "./tracked_file.ts";

/** The beginning of a packed file's contents. */
interface Beginning {
  /** At most one byte more than a head. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** True when it is all of them. */
  readonly whole: boolean;
}

/**
 * The file that was packed into this one, among those that are known; null when it is none of them. "packing": it is, but
 * the file is still there, or being read. "undecided": not enough of it is there yet.
 *
 * @param isThere whether a file is still under its name: then somebody may be packing it.
 * @throws what the system says when the file can't be read.
 */
export async function packedFrom(
  look: Peek,
  known: readonly TrackedFile[],
  isThere: (file: TrackedFile) => boolean,
): Promise<TrackedFile | "packing" | "undecided" | null> {
  const { path } = look.file;
  const candidates = known.filter((file) =>
    !file.isPacked && file.head.byteLength > 0 &&
    (isThere(file) ? path.replace(/\.[a-z]+$/i, "") === file.path : stemOf(path) === stemOf(file.path))
  );
  if (candidates.length === 0) return null;
  const beginning = await unpackBeginning(look);
  for (const file of candidates) {
    if (await beganLike(file, beginning)) return isThere(file) || file.open ? "packing" : file;
  }
  if (beginning.whole || beginning.bytes.length > HEAD_BYTE_LENGTH) return null;
  return candidates.some(isThere) ? "packing" : "undecided";
}

/** A short file is only known by all of its contents: many files begin with the same few bytes. */
async function beganLike({ head, size }: TrackedFile, { bytes, whole }: Beginning): Promise<boolean> {
  if (!await beginsWith(bytes, head)) return false;
  return head.byteLength === HEAD_BYTE_LENGTH || (whole && bytes.length === size);
}

/** "app" of app.log, app.log.1.gz and app-2026-11-28.log.gz. */
function stemOf(path: string): string {
  return /^[^.\-_\d]*/.exec(basename(path))![0];
}

async function unpackBeginning({ file: { path }, bytes: packed }: Peek): Promise<Beginning> {
  const compression = detectCompression(packed) === "gzip" ? "gzip" : "zstd";
  const stream = new UnpackedStream(new PlainFile(await Deno.open(path)), compression);
  const bytes = new Uint8Array(HEAD_BYTE_LENGTH + 1);
  let byteLength = 0;
  try {
    byteLength = await readFully(stream, bytes);
    if (byteLength < bytes.length) {
      stream.finish();
      byteLength += await readFully(stream, bytes.subarray(byteLength));
    }
    return { bytes: bytes.slice(0, byteLength), whole: stream.ended };
  } catch {
    return { bytes: bytes.slice(0, byteLength), whole: false }; // cut off, or damaged
  } finally {
    await stream.close();
  }
}
