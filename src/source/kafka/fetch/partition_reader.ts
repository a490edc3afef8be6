import { FatalError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { emptyBatch, gapBatch, type PollLimit, type RecordBatch } from "../../../records/record_batch.ts";
import type { SourceContext } from "../../source.ts";
import type { Chunk, Partition } from "./partition.ts";
import { BatchBuilder } from "../records/batch_builder.ts";
import { type ChunkCounts, CorruptBatchError } from "../records/chunk_reader.ts";

export interface PartitionReaderOptions {
  readonly runtime: Runtime;
  readonly wants: SourceContext["wants"];
  readonly maxRecordByteLength: number;
  /** The most rows of a batch, whatever the caller allows. */
  readonly maxRows: number;
  /** What somebody can do when a batch is lost for good: "stop all ...". */
  readonly whenLost: string;
}

/** Takes over what was fetched of partitions, as batches for the loop. */
export class PartitionReader {
  readonly #options: PartitionReaderOptions;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
  }

  /**
   * The next records of a partition that has some fetched; moves its position. Null when it didn't move: what was fetched
   * is damaged, and fetched again.
   *
   * @throws FatalError when it was damaged the second time too.
   */
  read(partition: Partition, limit: PollLimit): RecordBatch | null {
    const batch = this.#read(partition, limit), { log } = partition;
    return batch === null || log === undefined ? batch : { ...batch, log };
  }

  #read(partition: Partition, limit: PollLimit): RecordBatch | null {
    const { wants, maxRecordByteLength, maxRows } = this.#options;
    const start = partition.position;
    const builder = new BatchBuilder({
      limit: { maxBytes: limit.maxBytes, maxRows: Math.min(limit.maxRows, maxRows) },
      wants,
      maxRecordByteLength,
    });
    const [chunk] = partition.chunks;
    if (chunk !== undefined) this.#readChunk(partition, chunk, builder);
    else if (partition.skipTo >= 0) return this.#skip(partition);
    if (partition.position === start) return null;
    return builder.finish(partition.split, partition.epoch, start, partition.position);
  }

  #skip(partition: Partition): RecordBatch {
    const { split, position, skipTo, skipReason } = partition;
    partition.position = skipTo;
    partition.rewind();
    const start = String(position), next = String(skipTo);
    if (skipReason === null) return { ...emptyBatch(split, start, next), epoch: partition.epoch };
    return gapBatch(partition, { reason: skipReason, start, next, records: skipTo - position });
  }

  #readChunk(partition: Partition, { reader, next }: Chunk, builder: BatchBuilder): void {
    try {
      reader.read(builder);
    } catch (error) {
      if (!(error instanceof CorruptBatchError)) throw error;
      if (partition.corruptAt === error.offset && builder.rowCount === 0) this.#failCorrupt(partition, error);
      partition.corruptAt = error.offset;
      partition.position = Math.max(partition.position, reader.position);
      const { log } = this.#options.runtime;
      log.warn("record batch can't be read, fetching it again", { split: partition.split }, error);
      this.#count(reader.counts);
      partition.rewind();
      return;
    }
    const read = reader.done ? Math.max(reader.position, next) : reader.position;
    // A full batch ends with its last record, whatever of the gap behind it happens to be here: read again, it is the
    // same. The next batch begins with the gap.
    const exact = builder.isFull && read > builder.nextOffset;
    partition.position = Math.min(exact ? builder.nextOffset : read, partition.end);
    if (!reader.done || exact) return;
    partition.shift();
    this.#count(reader.counts);
  }

  #failCorrupt(partition: Partition, error: CorruptBatchError): never {
    throw new FatalError(
      `Partition ${partition.split} can't be read on: ${error.message}. When the data is really lost, ` +
        this.#options.whenLost,
      { cause: error },
    );
  }

  #count({ tombstones, controlBatches, abortedRecords }: ChunkCounts): void {
    const { metrics } = this.#options.runtime;
    if (tombstones > 0) metrics.count("kafka_tombstones_total", tombstones);
    if (controlBatches > 0) metrics.count("kafka_control_batches_total", controlBatches);
    if (abortedRecords > 0) metrics.count("kafka_aborted_records_total", abortedRecords);
  }
}
