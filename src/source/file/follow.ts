import type { Clock } from "../../runtime/clock.ts";
import { fileFeed } from "./feed.ts";
import type { FileCatalog, ScanResult } from "./file_catalog.ts";
import type { OpenSplit, OpenSplits } from "./open_splits.ts";
import { RenamedFiles } from "./paths.ts";
import type { SplitFeeder } from "./split_feeder.ts";

export interface FollowState {
  readonly open: OpenSplits;
  readonly catalog: FileCatalog;
  readonly feeder: SplitFeeder;
  readonly clock: Clock;
  readonly rotateWaitMs: number;
}

/** Looks which files there are, and has everything that has data (again) read. */
export async function scanAndFeed(state: FollowState): Promise<ScanResult> {
  const { catalog, feeder, open } = state;
  const result = await catalog.scan();
  for (const file of result.replaced) {
    feeder.forget(file.split);
    open.get(file.split)?.reader.stop();
  }
  const vanished = new Set(result.vanished);
  const renamed = new RenamedFiles();
  for (const file of vanished) {
    if (open.get(file.split) === undefined && await catalog.locate(file, renamed)) vanished.delete(file);
  }
  for (const file of catalog.unread()) feeder.enqueue(fileFeed(file));
  for (const split of open) {
    if (split.file !== null) lookAgain(split, vanished.has(split.file), state);
  }
  return result;
}

/** An open file may have grown. One that has lost its name is finished when nothing has come for a while. */
function lookAgain(split: OpenSplit, vanished: boolean, { clock, rotateWaitMs }: FollowState): void {
  const { reader, file } = split;
  if (reader.ended || file === null) return;
  const nowMs = clock.monotonicMs();
  if (!vanished) {
    split.detachedAtMs = null;
    if (file.size === split.seenSize) return;
    split.seenSize = file.size;
  } else if (split.detachedAtMs === null || !reader.atEnd) {
    split.detachedAtMs = nowMs;
  } else if (nowMs - split.detachedAtMs >= rotateWaitMs) {
    return reader.finish();
  }
  reader.atEnd = false;
}
