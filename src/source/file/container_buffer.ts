/**
 * The blocks of an Avro object container file, one record each: [count, size, contents], without the sync marker behind it.
 * What is damaged is one record up to the next sync marker.
 * They are unpacked and taken apart by the pipeline's workers; a position is always that of a block.
 */
import { type Block, ContainerError, type ContainerHeader, readBlockOrDamage } from "../../avro/container.ts";
import type { PollLimit } from "../../records/record_batch.ts";
import type { Lines } from "./lines.ts";
import type { RecordBuffer } from "./record_buffer.ts";

export class ContainerBuffer implements RecordBuffer {
  readonly writerSchema: string;
  readonly blockCodec: string;
  readonly #sync: Uint8Array;
  readonly #headerByteLength: number;
  #bytes = new Uint8Array(0);
  #head = 0;
  #tail = 0;
  /** Stream offset of the byte at head. */
  #position: number;
  #delivered: number;
  #problem: ContainerError | null = null;

  /** @param start stream offset of the first block to deliver, or 0. Bytes are appended from there, or after the header. */
  constructor(header: ContainerHeader, start: number) {
    this.writerSchema = header.schema;
    this.blockCodec = header.codec;
    this.#sync = header.sync;
    this.#headerByteLength = header.byteLength;
    this.#position = Math.max(start, header.byteLength);
    this.#delivered = start;
  }

  get delivered(): number {
    return this.#delivered;
  }

  reserve(byteLength: number): Uint8Array<ArrayBuffer> {
    if (this.#tail + byteLength > this.#bytes.length) {
      const held = this.#tail - this.#head;
      this.#moveTo(new Uint8Array(Math.max(held + byteLength, held * 2)));
    }
    return this.#bytes.subarray(this.#tail, this.#tail + byteLength);
  }

  appended(byteLength: number): void {
    this.#tail += byteLength;
  }

  shrink(): void {
    const held = this.#tail - this.#head;
    if (this.#bytes.length - held > 4096) this.#moveTo(this.#bytes.slice(0, held));
  }

  check(isFinal: boolean): boolean {
    if (this.#tail === this.#head) return false;
    if (this.#problem === null) {
      const bytes = this.#bytes.subarray(0, this.#tail);
      if (this.#readBlock(bytes, this.#head, isFinal) !== null) return true;
    }
    if (this.#problem !== null) throw this.#problem;
    if (isFinal) throw new ContainerError("it ends in the middle of a block: it is truncated");
    return false;
  }

  /** The header alone comes first, without records: so an empty file is done with, too. */
  take(limit: PollLimit, isFinal: boolean): Lines | null {
    if (this.#delivered < this.#headerByteLength) return this.#cover([], this.#headerByteLength);
    const blocks = this.#wholeBlocks(limit, isFinal);
    if (blocks.length === 0) return null;
    return this.#cover(blocks, this.#position + blocks[blocks.length - 1].next - this.#head);
  }

  #wholeBlocks({ maxBytes, maxRows }: PollLimit, isFinal: boolean): Block[] {
    const bytes = this.#bytes.subarray(0, this.#tail);
    const blocks: Block[] = [];
    let at = this.#head;
    while (this.#problem === null && at < this.#tail && blocks.length < Math.max(1, maxRows)) {
      const block = this.#readBlock(bytes, at, isFinal);
      if (block === null || (blocks.length > 0 && block.next - this.#head > maxBytes)) break;
      blocks.push(block);
      at = block.next;
    }
    return blocks;
  }

  /** What is before a damaged block is delivered; `check` tells of it then. */
  #readBlock(bytes: Uint8Array, at: number, isFinal: boolean): Block | null {
    try {
      return readBlockOrDamage(bytes, at, { sync: this.#sync, isFinal });
    } catch (error) {
      if (!(error instanceof ContainerError)) throw error;
      this.#problem = error;
      return null;
    }
  }

  #cover(blocks: readonly Block[], next: number): Lines {
    const start = this.#delivered;
    const offsets = new Uint32Array(blocks.length + 1);
    const positions = new BigInt64Array(blocks.length);
    let from = this.#head;
    blocks.forEach(({ end, next }, row) => {
      offsets[row + 1] = offsets[row] + end - from;
      positions[row] = BigInt(this.#position + from - this.#head);
      from = next;
    });
    const bytes = new Uint8Array(offsets[blocks.length]);
    from = this.#head;
    blocks.forEach(({ end, next }, row) => {
      bytes.set(this.#bytes.subarray(from, end), offsets[row]);
      from = next;
    });
    this.#position += from - this.#head;
    this.#head = from;
    this.#delivered = next;
    return { start, next, rowCount: blocks.length, bytes, offsets, positions };
  }

  #moveTo(bytes: Uint8Array<ArrayBuffer>): void {
    bytes.set(this.#bytes.subarray(this.#head, this.#tail));
    this.#bytes = bytes;
    this.#tail -= this.#head;
    this.#head = 0;
  }
}
