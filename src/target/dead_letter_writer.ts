import type { Compression } from "../encode/compression.ts";
import { assembleObject } from "../encode/object.ts";
import { contentTypeOf, fileExtensionOf } from "../encode/options.ts";
import type { SealedUnit } from "../pipeline/unit.ts";
import { toHex } from "../runtime/hex.ts";
import { addCounts, type ManifestDeadLetters } from "./manifest.ts";
import type { ObjectSink } from "./object_sink.ts";

/** Stores the dead letters of units as compressed NDJSON, one object a unit. */
export class DeadLetterWriter {
  readonly #sink: ObjectSink;
  readonly #prefix: string;
  readonly #compression: Compression;

  /** `prefix` ends with "/" unless it is empty. */
  constructor(options: { sink: ObjectSink; prefix: string; compression: Compression }) {
    this.#sink = options.sink;
    this.#prefix = options.prefix;
    this.#compression = options.compression;
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#sink.open(signal);
  }

  /** Durable when resolved; null when the unit has none. */
  async write(unit: SealedUnit, signal: AbortSignal): Promise<ManifestDeadLetters | null> {
    const pieces = unit.outputs.flatMap(({ deadLetters }) => deadLetters === null ? [] : [deadLetters]);
    if (pieces.length === 0) return null;
    const assembled = assembleObject(pieces, this.#compression);
    const key = `${this.#prefix}${unit.name}${
      fileExtensionOf({ compression: this.#compression, fileExtension: undefined })
    }`;
    await this.#sink.put(
      assembled,
      { key, contentType: contentTypeOf(this.#compression), purpose: "dead-letter" },
      signal,
    );
    const codes: Record<string, number> = {};
    for (const piece of pieces) addCounts(codes, piece.codes);
    return {
      key,
      byteLength: assembled.byteLength,
      sha256: toHex(assembled.sha256),
      records: pieces.reduce((sum, piece) => sum + piece.rowCount, 0),
      codes,
    };
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}
