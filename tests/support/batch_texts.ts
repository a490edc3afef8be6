import type { BytesColumn, RecordBatch } from "../../src/records/record_batch.ts";

const decoder = new TextDecoder();

/** A row of a batch's values, of its keys or of its headers, as text. */
export function textAt({ bytes, offsets }: Pick<BytesColumn, "bytes" | "offsets">, row: number): string {
  return decoder.decode(bytes.subarray(offsets[row], offsets[row + 1]));
}

/** The batch's values, as texts. */
export function textsOf(batch: RecordBatch): string[] {
  return Array.from({ length: batch.rowCount }, (_, row) => textAt(batch, row));
}
