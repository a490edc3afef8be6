import type { CheckpointFile } from "../../checkpoint/checkpoint_file.ts";
import type { Clock } from "../../runtime/clock.ts";
import { fileFeed } from "./feed.ts";
import type { FileCatalog, ScanResult } from "./file_catalog.ts";
import type { OpenSplit, OpenSplits } from "./open_splits.ts";
import { RenamedFiles } from "./renamed_files.ts";
import type { SplitFeeder } from "./split_feeder.ts";
import type { TrackedFile } from "./tracked_file.ts";

/** A file in which nothing was found so often is looked at with the scans only: 5 s. */
const MAX_IDLE_LOOKS = 50;

export interface FollowState {
  readonly checkpoints: CheckpointFile;
  readonly open: OpenSplits;
  readonly catalog: FileCatalog;
  readonly feeder: SplitFeeder;
  readonly clock: Clock;
  readonly rotateWaitMs: number;
}

/** Looks which files there are, and has everything that has data (again) read. */
export async function scanAndFeed(state: FollowState): Promise<ScanResult> {
  const { catalog, feeder, open, checkpoints } = state;
  const result = await catalog.scan();
  stopReplaced(result.replaced, state);
  const vanished = new Set(result.vanished);
  const renamed = new RenamedFiles();
  for (const file of vanished) {
    if (open.get(file.split) === undefined && await catalog.locate(file, renamed)) vanished.delete(file);
  }
  for (const file of catalog.unread()) feeder.enqueue(fileFeed(file));
  for (const split of open) {
    if (split.file !== null) lookAgain(split, vanished.has(split.file), state);
  }
  if (vanished.size > 0) await checkpoints.save(); // else the next start would tell of them again
  return result;
}

/** Looks, between two scans, at open files that grew lately: what was written to them may be cut away soon. */
export async function lookAtGrowing(state: FollowState): Promise<void> {
  const { catalog, feeder, open } = state;
  const growing = [...open].filter((split) =>
    split.file !== null && split.detachedAtMs === null && split.reader.atEnd && split.idleLooks++ < MAX_IDLE_LOOKS
  );
  if (growing.length === 0) return;
  const replaced = await catalog.lookAt(growing.map(({ file }) => file!));
  stopReplaced(replaced, state);
  if (replaced.length > 0) { for (const file of catalog.unread()) feeder.enqueue(fileFeed(file)); }
  for (const split of growing) if (split.file!.open) lookAgain(split, false, state);
}

function stopReplaced(replaced: readonly TrackedFile[], { feeder, open }: FollowState): void {
  for (const { split } of replaced) {
    feeder.forget(split);
    open.get(split)?.reader.stop();
  }
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
    split.idleLooks = 0;
  } else if (split.detachedAtMs === null || !reader.atEnd) {
    split.detachedAtMs = nowMs;
  } else if (nowMs - split.detachedAtMs >= rotateWaitMs) {
    return reader.finish();
  }
  reader.atEnd = false;
}
