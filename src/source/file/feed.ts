import type { SplitDetails, SplitId } from "../../records/position.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { type ByteStream, type Input, InputStream, MemoryStream, PlainFile } from "../../codecs/byte_stream.ts";
import { contentSplitId } from "./identity.ts";
import { SniffedInput } from "./sniffed_input.ts";
import { SAMPLE, STANDARD_INPUT } from "./paths.ts";
import type { TrackedFile } from "./tracked_file.ts";
import { UnpackedStream } from "../../codecs/unpacked_stream.ts";

/** Something that can become a split: a file, standard input, the sample events. */
export interface Feed {
  readonly split: SplitId;
  /** Null for what isn't a file. */
  readonly file: TrackedFile | null;
  /** What to keep in the checkpoint file. */
  details(): SplitDetails;
  /** From its beginning. Null when it isn't there any more. */
  open(): Promise<ByteStream | null>;
}

export function fileFeed(file: TrackedFile): Feed {
  return { split: file.split, file, details: () => file.details(), open: () => openFile(file) };
}

async function openFile(file: TrackedFile): Promise<ByteStream | null> {
  let handle: Deno.FsFile;
  try {
    handle = await Deno.open(file.path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const info = await handle.stat();
  if (info.dev !== file.device || (info.ino ?? 0) !== file.inode) {
    handle.close();
    return null;
  }
  const plain = new PlainFile(handle);
  const compression = file.compression ?? "none";
  return compression === "none" ? plain : new UnpackedStream(plain, compression);
}

/** Can't be read again: a name of its own for each run, so that its objects never replace those of an earlier one. */
export function inputFeed(input: Input, { clock, random }: Runtime): Feed {
  return {
    split: `stdin/${random.hex(6)}`,
    file: null,
    details: () => ({ path: STANDARD_INPUT }),
    open: () => Promise.resolve(new SniffedInput(new InputStream(input, () => clock.now()))),
  };
}

/** @param timeMs when the events are said to have arrived: fixed, so that they come out the same each time. */
export async function sampleFeed(bytes: Uint8Array<ArrayBuffer>, timeMs: number): Promise<Feed> {
  return {
    split: await contentSplitId("sample", bytes),
    file: null,
    details: () => ({ path: SAMPLE }),
    open: () => Promise.resolve(new MemoryStream(bytes, timeMs)),
  };
}
