/** Where rows go together: rows of one group stand in one object. */
export interface ObjectGroup {
  /** Empty when the objects' key has no {project}: rows of all projects stand in one object. */
  readonly project: string;
  /** Null when the objects' key has no {table}: all collections of a project stand in one object. */
  readonly collection: string | null;
  /** Start of the event hour, day, month or year, epoch ms, as fine as the key's placeholders; null when it has none. */
  readonly timeMs: number | null;
}

/** Encoded, compressed rows of one group: a part of an object's contents. */
export interface EncodedPiece {
  readonly group: ObjectGroup;
  /** Compressed: raw deflate up to a sync flush, a whole zstd frame, or the bytes themselves. */
  readonly bytes: Uint8Array;
  /** CRC-32 (IEEE) of the bytes before compression; 0 unless the compression is gzip. */
  readonly crc32: number;
  /** Bytes before compression. */
  readonly rawByteLength: number;
  readonly rowCount: number;
  /** Rows by table. */
  readonly tables: readonly {
    readonly project: string;
    readonly collection: string;
    readonly rowCount: number;
    /** Those without an event time; 0 when absent. */
    readonly untimedCount?: number;
  }[];
  /** Least and greatest event time of the rows, epoch ms; NaN when none has one. */
  readonly minEventTime: number;
  readonly maxEventTime: number;
}

/** Dead letters as NDJSON lines, compressed like a piece. */
export interface DeadLetterPiece {
  readonly bytes: Uint8Array;
  readonly crc32: number;
  readonly rawByteLength: number;
  readonly rowCount: number;
  /** Row counts by error code. */
  readonly codes: Readonly<Record<string, number>>;
}
