import type { BytesColumn } from "./record_batch.ts";

/** Records that the source takes back instead of rows: those whose event day (UTC) is outside of a window of days. */
export interface Diversion {
  /** A record is diverted when its event day is before today minus this many days, or after today. */
  readonly outdatedDayIndex: number;
  /** The parent of splits whose records are never diverted: there they went. */
  readonly exemptParent: string;
}

/** Diverted records as they came. */
export interface DivertedRecords {
  readonly rowCount: number;
  readonly values: BytesColumn;
  readonly keys: BytesColumn;
  /** As in a RecordBatch. */
  readonly headers: BytesColumn;
  /** Epoch ms; NaN where the source didn't know. Length rowCount. */
  readonly timestamps: Float64Array;
}
