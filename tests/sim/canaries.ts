/**
 * Builds that are broken on purpose, each in one way that users would pay for: the simulation must notice every one of them
 * within `MAX_SEEDS` seeds of its world, by one of the invariants that are named. What isn't noticed here wouldn't be
 * noticed if somebody did it by mistake. `deno task sim:canaries [NAME...]` runs them.
 */
import type { InvariantName } from "./invariants.ts";

export const MAX_SEEDS = 200;

/** A text of a file that stands there exactly once, and what takes its place. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Canary {
  readonly world: string;
  readonly changes: readonly Change[];
  /** Any of these says it. */
  readonly invariants: readonly InvariantName[];
}

function change(file: string, from: string, to: string): Change {
  return { file: `src/${file}`, from, to };
}

const LOST = ["committedIsDurable", "everythingIsStored"] as const;

export const CANARIES: Readonly<Record<string, Canary>> = {
  "a unit is committed before it is durable": {
    world: "loop",
    changes: [change(
      "loop/unit_committer.ts",
      "return await withAbort(writer.write(sealed, signal), signal);",
      "writer.write(sealed, signal).catch(() => {}); return { objects: 0, rows: 0, byteLength: 0 };",
    )],
    invariants: [...LOST, "manifestsAddUp"],
  },
  "units are committed out of order": {
    world: "loop",
    changes: [change("loop/unit_committer.ts", "await withAbort(earlier, signal);", "void earlier;")],
    invariants: [...LOST, "commitsGoForward", "itGoesOn"],
  },
  "the committed position is one too far": {
    world: "kafka",
    changes: [
      change("source/kafka/kafka_source.ts", "const offset = Number(next);", "const offset = Number(next) + 1;"),
      {
        file: "src/source/kafka/kafka_source.ts",
        from: "this.#committer.commit(partition, epoch, BigInt(next))",
        to: "this.#committer.commit(partition, epoch, BigInt(next) + 1n)",
      },
    ],
    invariants: [...LOST, "itGoesOn"],
  },
  "a put counts as stored after its sixth failure": {
    world: "loop",
    changes: [change(
      "target/object_sink.ts",
      "{ policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal },\n      );",
      "{ policy: { ...RETRY_UNTIL_STOPPED, maxAttempts: 6 }, runtime: this.#runtime, signal },\n      ).catch(() => signal.throwIfAborted());",
    )],
    invariants: [...LOST, "manifestsNameWhatExists"],
  },
  "a manifest doesn't wait for its objects": {
    world: "files",
    changes: [change("target/object_unit_writer.ts", "await sink.put(assembled,", "void sink.put(assembled,")],
    invariants: [...LOST, "manifestsNameWhatExists", "objectsAreWhole"],
  },
  "a start without a checkpoint isn't committed": {
    world: "loop",
    changes: [
      change(
        "loop/collector.ts",
        "if (!options.committed) await",
        "if (options.committed && !options.committed) await",
      ),
    ],
    invariants: ["startIsKept"],
  },
  "the source isn't paused when memory is full": {
    world: "loop",
    changes: [
      change("loop/collector.ts", "      this.#pause();\n      await this.#changed.wait(signal);", "      return;"),
    ],
    invariants: ["memoryIsBounded"],
  },
  "names of units depend on the epoch": {
    world: "files",
    changes: [change(
      "pipeline/unit.ts",
      "hash.update(JSON.stringify([split, start, next].concat(log)));",
      "hash.update(JSON.stringify([split, start, next, String(ranges[0].epoch)].concat(log)));",
    )],
    invariants: ["sameUnitSameName"],
  },
  "the data of a stored file isn't synced": {
    world: "files",
    changes: [change("target/file.ts", "    await file.sync();\n", "")],
    invariants: [...LOST, "objectsAreWhole"],
  },
  "the rename of a stored file isn't synced": {
    world: "files",
    changes: [change("target/file.ts", "    await syncDirectory(directory);\n", "")],
    invariants: [...LOST, "manifestsNameWhatExists"],
  },
  "a directory that was made isn't synced": {
    world: "files",
    changes: [change("target/file/directory.ts", "  await syncDirectory(dirname(path));\n", "")],
    invariants: [...LOST, "manifestsNameWhatExists"],
  },
  "a directory that was there isn't synced": {
    world: "files",
    changes: [change("target/file.ts", "      await syncPathTo(root);\n", "")],
    invariants: [...LOST, "manifestsNameWhatExists"],
  },
  "the checkpoint's data isn't synced": {
    world: "files",
    changes: [change("runtime/durable_file.ts", "    await file.sync();\n", "")],
    invariants: ["commitsSurvive", "objectsAreWhole", "itGoesOn"],
  },
  "the checkpoint's rename isn't synced": {
    world: "files",
    changes: [change(
      "runtime/durable_file.ts",
      "  await Deno.rename(temporary, path);\n  await syncDirectory(dirname(path));\n",
      "  await Deno.rename(temporary, path);\n",
    )],
    invariants: ["commitsSurvive"],
  },
  "a failed rename of a stored file is swallowed": {
    world: "files",
    changes: [change(
      "target/file.ts",
      "await Deno.rename(temporary.path, join(directory, segments[segments.length - 1]));",
      "await Deno.rename(temporary.path, join(directory, segments[segments.length - 1])).catch(() => {});",
    )],
    invariants: [...LOST, "manifestsNameWhatExists"],
  },
  "a damaged checkpoint is believed": {
    world: "files",
    changes: [change("runtime/sealed_json.ts", "if (sealOf(", "if (true || sealOf(")],
    invariants: ["damageIsRefused", ...LOST],
  },
  "epochs of commits aren't looked at": {
    world: "kafka",
    changes: [
      change("source/kafka/kafka_source.ts", "|| partition.epoch !== epoch", ""),
      change(
        "loop/split_tracker.ts",
        "return this.#owned.get(split)?.epoch === epoch;",
        "return this.#owned.has(split);",
      ),
      change(
        "source/kafka/group/committer.ts",
        "epochOf(commit) === commit.owned) return true",
        "epochOf(commit) !== undefined) return true",
      ),
    ],
    invariants: ["commitsGoForward", "itGoesOn", ...LOST],
  },
  "records before the fetch offset are taken again": {
    world: "kafka",
    changes: [change("source/kafka/records/chunk_reader.ts", "if (header.lastOffset < this.position) return;", "")],
    invariants: ["batchesHoldWhatTheySay", "onceWhenNothingFailed"],
  },
  "a living partition is taken for a deleted one": {
    world: "kafka",
    changes: [change(
      "source/kafka/group/committer.ts",
      "if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) commit.unknownSinceMs = undefined;",
      "",
    )],
    invariants: ["onceWhenNothingFailed"],
  },
  "a child is read before its parents have ended": {
    world: "kinesis",
    changes: [change(
      "source/kinesis/leases/parent_gate.ts",
      "return lease === undefined || isEnded(lease);",
      "return lease === undefined || isEnded(lease) || lease !== undefined;",
    )],
    invariants: ["childrenAfterParents"],
  },
  "a lease is taken whoever has it": {
    world: "kinesis",
    changes: [
      change("source/kinesis/leases/lease_table.ts", "when: { leaseCounter: number(lease.counter) },", "when: {},"),
    ],
    invariants: ["commitsGoForward", "leasesEndWell", "onceWhenNothingFailed", "itGoesOn", ...LOST],
  },
};
