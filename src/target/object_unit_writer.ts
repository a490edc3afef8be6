import type { Compression } from "../encode/compression.ts";
import { groupKey } from "../encode/group.ts";
import { contentTypeOf } from "../encode/options.ts";
import { assembleObject, splitPieces } from "../encode/object.ts";
import type { EncodedPiece, ObjectGroup } from "../encode/piece.ts";
import type { SealedUnit } from "../pipeline/unit.ts";
import { toHex } from "../runtime/hex.ts";
import { release, releaseIfAlone } from "../runtime/release.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { splitParent } from "../records/position.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import { escapeName, type KeyTemplate, objectKey } from "../encode/key_template.ts";
import { jsonObject } from "./json_object.ts";
import { isoOrNull, type Manifest, type ManifestObject, manifestRanges } from "./manifest.ts";
import type { ObjectSink } from "./object_sink.ts";
import type { UnitWriter, Written } from "./unit_writer.ts";

export interface ObjectUnitWriterOptions {
  readonly sink: ObjectSink;
  readonly deadLetters: DeadLetterWriter;
  readonly template: KeyTemplate;
  readonly compression: Compression;
  /** Of data objects, with its leading dot: ".ndjson.gz". */
  readonly extension: string;
  readonly maxObjectByteLength: number;
  readonly manifests: boolean;
  /** Told of each unit once it is stored, before it is committed. */
  written?(manifest: Manifest): Promise<void>;
  readonly runtime: Runtime;
}

/** Objects of a unit that are made ready and put at a time, as far as the sink lets them. */
const OBJECTS_IN_WORK = 64;

/** The pieces that belong into one object or, when they are too many, into several. */
interface Group {
  readonly group: ObjectGroup;
  readonly pieces: EncodedPiece[];
}

function groupPieces(unit: SealedUnit): Group[] {
  const groups = new Map<string, Group>();
  for (const { pieces } of unit.outputs) {
    for (const piece of pieces) {
      const id = groupKey(piece.group);
      const found = groups.get(id);
      if (found === undefined) groups.set(id, { group: piece.group, pieces: [piece] });
      else found.pieces.push(piece);
    }
  }
  return [...groups.values()];
}

function describe(key: string, pieces: readonly EncodedPiece[]): Omit<ManifestObject, "byteLength" | "sha256"> {
  const tables = new Map<string, { project: string; collection: string; rows: number; rowsWithoutTime?: number }>();
  let rows = 0, rawByteLength = 0, least = NaN, greatest = NaN;
  for (const piece of pieces) {
    rows += piece.rowCount;
    rawByteLength += piece.rawByteLength;
    if (!(least <= piece.minEventTime)) least = Number.isNaN(piece.minEventTime) ? least : piece.minEventTime;
    if (!(greatest >= piece.maxEventTime)) greatest = Number.isNaN(piece.maxEventTime) ? greatest : piece.maxEventTime;
    for (const { project, collection, rowCount, untimedCount = 0 } of piece.tables) {
      const id = JSON.stringify([project, collection]);
      let table = tables.get(id);
      if (table === undefined) tables.set(id, table = { project, collection, rows: 0 });
      table.rows += rowCount;
      if (untimedCount > 0) table.rowsWithoutTime = (table.rowsWithoutTime ?? 0) + untimedCount;
    }
  }
  return {
    key,
    rawByteLength,
    rows,
    minEventTime: isoOrNull(least),
    maxEventTime: isoOrNull(greatest),
    tables: [...tables.values()],
  };
}

/**
 * Writes units to a target that stores objects: dead letters, then an object (or several, when it is too large) for each
 * group of rows, then the manifest. The same unit gives the same keys.
 */
export class ObjectUnitWriter implements UnitWriter {
  readonly #options: ObjectUnitWriterOptions;

  constructor(options: ObjectUnitWriterOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#options.sink.open(signal);
    await this.#options.deadLetters.open(signal);
  }

  async write(unit: SealedUnit, signal: AbortSignal): Promise<Written> {
    const deadLetters = await this.#options.deadLetters.write(unit, signal);
    const objects = await this.#putObjects(unit, signal);
    const manifest: Manifest = {
      version: 1,
      unit: unit.name,
      trigger: unit.trigger,
      ranges: manifestRanges(unit),
      objects,
      deadLetters,
    };
    if (this.#options.manifests) await this.#putManifest(manifest, splitParent(unit.ranges[0].split), signal);
    await this.#options.written?.(manifest);
    // Small pieces share buffers, which nobody needs now that all of them are stored.
    for (const { pieces } of unit.outputs) for (const { bytes } of pieces) release(bytes);
    return {
      objects: objects.length,
      rows: objects.reduce((sum, { rows }) => sum + rows, 0),
      byteLength: objects.reduce((sum, { byteLength }) => sum + byteLength, 0),
    };
  }

  async close(): Promise<void> {
    await this.#options.sink.close();
    await this.#options.deadLetters.close();
  }

  /** A unit may have a hundred thousand objects: each is made ready when its turn comes, not before. */
  async #putObjects(unit: SealedUnit, signal: AbortSignal): Promise<ManifestObject[]> {
    const { maxObjectByteLength } = this.#options;
    const parts = groupPieces(unit).flatMap(({ group, pieces }) =>
      splitPieces(pieces, maxObjectByteLength).map((pieces, part) => ({ group, pieces, part }))
    );
    const objects: ManifestObject[] = new Array(parts.length);
    let next = 0;
    const putSome = async () => {
      while (next < parts.length) {
        const i = next++;
        objects[i] = await this.#putObject(unit, parts[i], signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(OBJECTS_IN_WORK, parts.length) }, putSome));
    return objects;
  }

  async #putObject(
    unit: SealedUnit,
    { group, pieces, part }: Group & { readonly part: number },
    signal: AbortSignal,
  ): Promise<ManifestObject> {
    const { sink, template, compression, extension, runtime } = this.#options;
    const key = objectKey({ prefix: template.render(group), unitName: unit.name, part, extension });
    const assembled = assembleObject(pieces, compression);
    await sink.put(assembled, { key, contentType: contentTypeOf(compression), purpose: "data" }, signal);
    const described = describe(key, pieces);
    runtime.metrics.count("collector_written_rows_total", described.rows);
    for (const { bytes } of pieces) releaseIfAlone(bytes);
    return { ...described, byteLength: assembled.byteLength, sha256: toHex(assembled.sha256) };
  }

  async #putManifest(manifest: Manifest, parent: string, signal: AbortSignal): Promise<void> {
    const object = jsonObject(`_manifests/${escapeName(parent)}/${manifest.unit}.json`, manifest);
    await this.#options.sink.put(object, object, signal);
  }
}
