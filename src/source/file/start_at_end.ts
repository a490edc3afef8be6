import type { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import { readFully } from "../../codecs/byte_stream.ts";
import { fileFeed } from "./feed.ts";
import type { TrackedFile } from "./tracked_file.ts";

const LF = 10;
const STEP_BYTE_LENGTH = 64 * 1024;

/**
 * Has these files read from their present end on, as `file.offset=latest` says: durable when resolved, so that nothing
 * that is appended from now on is lost. A last line without line end is still to be read.
 */
export async function startAtEnd(files: readonly TrackedFile[], checkpoints: CheckpointFile): Promise<void> {
  for (const file of files) {
    file.delivered = file.compression === "none" ? await afterLastLine(file) : await unpackedByteLength(file);
    file.end = { position: file.delivered, size: file.size };
    file.restored = true;
    checkpoints.add(file.split, { position: String(file.delivered), details: file.details() });
  }
  await checkpoints.save();
}

/** The offset after the last line feed, searched from the end. */
async function afterLastLine(file: TrackedFile): Promise<number> {
  using handle = await Deno.open(file.path);
  const bytes = new Uint8Array(STEP_BYTE_LENGTH);
  for (let end = file.size; end > 0;) {
    const start = Math.max(0, end - bytes.length);
    await handle.seek(start, Deno.SeekMode.Start);
    const byteLength = await readFully(handle, bytes.subarray(0, end - start));
    const lineFeed = bytes.subarray(0, byteLength).lastIndexOf(LF);
    if (lineFeed >= 0) return start + lineFeed + 1;
    end = start;
  }
  return 0;
}

/** Up to where it can be unpacked: damage before the end is none of what is still to come. */
async function unpackedByteLength(file: TrackedFile): Promise<number> {
  const stream = await fileFeed(file).open();
  let byteLength = 0;
  try {
    for (let came = 1; stream !== null && came > 0; byteLength += came) came = await stream.skip(STEP_BYTE_LENGTH);
  } catch {
    return byteLength;
  } finally {
    await stream?.close();
  }
  return byteLength;
}
