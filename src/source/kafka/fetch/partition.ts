import type { GapReason } from "../../../records/gap.ts";
import { type Epoch, type SplitId, splitParent, splitPart } from "../../../records/position.ts";
import type { TopicId } from "../protocol/metadata.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import type { ChunkReader } from "../records/chunk_reader.ts";
import { LeaderEpochs } from "./leader_epochs.ts";

/** What one fetch brought of one partition, still to be taken over. */
export interface Chunk {
  readonly reader: ChunkReader;
  /** Memory that it keeps. */
  readonly byteLength: number;
  /** Where the fetch of it ended: the next offset when it is used up. */
  readonly next: number;
}

/** Which log is read, and from where to where. */
export interface PartitionPlace {
  readonly start: number;
  /** Exclusive; absent when there is none. */
  readonly end?: number;
  readonly topicId?: TopicId;
  /** As in RecordBatch. */
  readonly log?: string;
  /** The leader's epoch of the record before `start`; -1 or absent when it isn't known. */
  readonly leaderEpoch?: number;
}

/** One partition, in one epoch of ours. A new epoch has a new object, so that late answers find nobody. */
export class Partition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly split: SplitId;
  readonly epoch: Epoch;
  /** Of the log that is read: one of the same name may take its place. */
  readonly topicId: TopicId;
  /** As in RecordBatch. */
  readonly log: string | undefined;
  readonly leaderEpochs: LeaderEpochs;
  /** Nothing is read from here on. */
  readonly end: number;
  /** The next offset to hand over. */
  position: number;
  /** The next offset to ask for: beyond what is buffered. */
  fetchOffset: number;
  /** What the last request asked for; an answer is good for nothing else. */
  askedOffset = -1;
  readonly chunks: Chunk[] = [];
  bufferedByteLength = 0;
  /** True once the loop knows of it: no records before that, none after it was told to let go. */
  ready = false;
  /** The group takes it away: it is written and committed, and then forgotten. */
  leaving = false;
  paused = false;
  fetching = false;
  /** Not asked for before this (monotonic ms), after an error. */
  retryAtMs = 0;
  failures = 0;
  /** A batch larger than the usual limit waits: ask for this much. */
  neededByteLength = 0;
  /** The replica that the leader told us to read from, -1 for the leader. */
  preferredReplica = -1;
  /** Then the leader is asked again, monotonic ms: a replica that hears nothing of it looks like one that is idle. */
  preferredUntilMs = 0;
  /** Since when an open transaction lets nothing through, monotonic ms, and whether that was said; null when none does. */
  heldBack: { readonly sinceMs: number; told: boolean } | null = null;
  /** Offset of a batch that couldn't be read; the second time in a row is final. */
  corruptAt = -1;
  /** Where the log parts from what was read, as its leader said once; -1 when it doesn't. */
  partedAt = -1;
  /** Behind what is buffered the position moves to this offset: nothing is fetched before that. -1 for no move. */
  skipTo = -1;
  /** Why there are no records up to there; null when there never were any. */
  skipReason: GapReason | null = null;
  /** The furthest offset that was to be committed in this epoch. */
  committed: number;
  /** The end of the partition as last heard of, for the lag. */
  highWatermark = -1;

  constructor({ topic, partition }: TopicPartition, epoch: Epoch, place: PartitionPlace) {
    const { start, end = Infinity, topicId = null, log, leaderEpoch = -1 } = place;
    this.topicId = topicId;
    this.log = log;
    this.leaderEpochs = new LeaderEpochs(start - 1, leaderEpoch);
    this.topic = topic;
    this.partition = partition;
    this.split = splitOf({ topic, partition });
    this.epoch = epoch;
    this.end = end;
    this.position = start;
    this.fetchOffset = start;
    this.committed = start;
  }

  add(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.bufferedByteLength += chunk.byteLength;
    this.fetchOffset = chunk.next;
  }

  /** Forgets the first chunk. */
  shift(): void {
    const chunk = this.chunks.shift();
    if (chunk === undefined) return;
    this.bufferedByteLength -= chunk.byteLength;
    chunk.reader.release();
  }

  /** Forgets everything that is buffered: the next fetch begins at the position. */
  rewind(): void {
    for (const { reader } of this.chunks.splice(0)) reader.release();
    this.bufferedByteLength = 0;
    this.fetchOffset = this.position;
    this.skipTo = -1; // whether that is still so shows with the next fetch
  }

  get hasRecords(): boolean {
    return this.ready && !this.paused && (this.chunks.length > 0 || this.skipTo >= 0);
  }
}

/** The inverse of `splitOf`. */
export function partitionOf(split: SplitId): TopicPartition {
  return { topic: splitParent(split), partition: Number(splitPart(split)) };
}

export function splitOf({ topic, partition }: TopicPartition): SplitId {
  return `${topic}/${partition}`;
}
