/**
 * Files read as ranges: each from its beginning to the size that it has when the range is fixed. What is appended later
 * isn't in it; a last line without a line end is.
 */
import { withAbort } from "../../runtime/abort.ts";
import { FatalError, InvariantError, MisuseError } from "../../runtime/errors.ts";
import { type PlannedSplit, RANGE_EPOCH, type RangePlan, type RangeRequest } from "../../records/range.ts";
import type { RangeSource } from "../range_source.ts";
import type { PollLimit, RecordBatch } from "../../records/record_batch.ts";
import type { SourceContext } from "../source.ts";
import type { Position, SplitId } from "../../records/position.ts";
import { type ByteStream, LimitedStream } from "../../codecs/byte_stream.ts";
import { detectCompression } from "../../codecs/detect_compression.ts";
import { fileFeed, sampleFeed } from "./feed.ts";
import type { FileInputs } from "./file_source.ts";
import { beginsWith, peek } from "./identity.ts";
import { KnownFiles } from "./known_files.ts";
import { type FileConfig, pathsOf } from "./options.ts";
import { SAMPLE } from "./paths.ts";
import type { FoundFile } from "./walk.ts";
import { SplitReader } from "./split_reader.ts";
import { TrackedFile } from "./tracked_file.ts";

interface BegunSplit {
  readonly planned: PlannedSplit;
  readonly position: Position;
  /** Null until the first read. */
  reader: SplitReader | null;
}

export class FileRanges implements RangeSource {
  readonly #config: FileConfig;
  readonly #context: SourceContext;
  readonly #sample: FileInputs["sample"];
  readonly #begun = new Map<SplitId, BegunSplit>();

  constructor(config: FileConfig, context: SourceContext, { sample }: Pick<FileInputs, "sample">) {
    this.#config = config;
    this.#context = context;
    this.#sample = sample;
  }

  async plan(request: RangeRequest, signal: AbortSignal): Promise<RangePlan> {
    if (request.historical) throw new MisuseError("there is no historical topic with stream.source=file");
    if (request.from !== null || request.to !== null) {
      throw new MisuseError("files are replayed whole: leave the range out, and name the files with file.path");
    }
    const paths = pathsOf(this.#config, this.#context);
    if (paths.standardInput) throw new MisuseError("standard input can't be replayed: it comes only once");
    const { files, missing, skipped } = await paths.find();
    const left = skipped.filter(({ kind }) => kind === "wrong" || kind === "unreadable");
    if (left.length > 0) {
      throw new FatalError(`file.path: ${left.map(({ path, why }) => `${path}: ${why}`).join("; ")}`);
    }
    const plain = paths.plain(missing);
    if (plain.length > 0) throw new FatalError(`file.path: there is no ${plain.join(", no ")}`);
    const splits = paths.sample ? [await this.#planSample()] : [];
    const known = new KnownFiles(request.resume);
    for (const found of files.sort((a, b) => a.path < b.path ? -1 : 1)) {
      signal.throwIfAborted();
      const planned = await planFile(found, known);
      if (planned !== null) splits.push(planned);
    }
    const rest = splits.map((planned) => resumed(planned, request));
    return {
      splits: rest.filter((planned) => planned !== null),
      weightUnit: "bytes",
      unchanged: splits.flatMap(({ split }, i) => rest[i] === null ? [split] : []),
      missing: [],
    };
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  begin(planned: PlannedSplit, position: Position): void {
    this.#begun.set(planned.split, { planned, position, reader: null });
  }

  async read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const begun = this.#begun.get(split);
    if (begun === undefined) throw new InvariantError(`read of ${split}, which was not begun`);
    signal.throwIfAborted();
    const reader = begun.reader ??= await this.#openReader(begun);
    try {
      for (;;) {
        const batch = reader.take(limit);
        if (batch !== null) return batch;
        if (reader.ended) break;
        await withAbort(reader.fill(limit), signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw broken(begun.planned, error);
    }
    await this.#end(begun, reader);
    return "end";
  }

  progress(split: SplitId): number {
    const begun = this.#begun.get(split);
    if (begun === undefined) return 1;
    const { planned: { start, end }, reader } = begun;
    if (end === null || reader === null) return 0; // how long it is unpacked shows at its end
    return (reader.delivered - Number(start)) / (Number(end) - Number(start));
  }

  async close(): Promise<void> {
    const readers = [...this.#begun.values()].map(({ reader }) => reader);
    this.#begun.clear();
    await Promise.all(readers.map((reader) => reader?.close()));
  }

  async #planSample(): Promise<PlannedSplit> {
    const { bytes, timeMs } = await this.#sample();
    const { split } = await sampleFeed(bytes, timeMs);
    return plan(split, { end: String(bytes.length), weight: bytes.length, details: { path: SAMPLE } });
  }

  async #openReader({ planned, position }: BegunSplit): Promise<SplitReader> {
    const { split, details, end } = planned;
    let stream: ByteStream;
    if (details.path === SAMPLE) {
      const { bytes, timeMs } = await this.#sample();
      stream = (await (await sampleFeed(bytes, timeMs)).open())!;
    } else {
      // What is appended from now on changes the file's time, but not that of these records.
      const limit = { byteLength: end === null ? Infinity : Number(end), timeMs: Number(details.mtimeMs) };
      stream = new LimitedStream(await openFile(planned), limit);
    }
    const { maxRecordByteLength } = this.#context;
    const reader = new SplitReader(stream, { split, epoch: RANGE_EPOCH, start: Number(position), maxRecordByteLength });
    reader.finish();
    return reader;
  }

  async #end({ planned }: BegunSplit, reader: SplitReader): Promise<void> {
    this.#begun.delete(planned.split);
    await reader.close();
    if (planned.end === null || reader.delivered === Number(planned.end)) return;
    throw broken(
      planned,
      new Error(`it has ${reader.delivered} bytes, and had ${planned.end} when the job was planned`),
    );
  }
}

function plan(split: SplitId, rest: Pick<PlannedSplit, "end" | "weight" | "details">): PlannedSplit {
  return { split, start: "0", after: [], ...rest };
}

/** Null when there is nothing in it. */
async function planFile(found: FoundFile, known: KnownFiles): Promise<PlannedSplit | null> {
  const look = await peek(found);
  if (look === null || look.bytes.length === 0) return null;
  const { split, generation } = await known.identify(look);
  const file = await TrackedFile.discover(look, generation);
  const { size, mtimeMs, compression } = file;
  const packed = compression !== null && compression !== "none";
  const details = { ...file.details(), mtimeMs, size };
  return plan(split, { end: packed ? null : String(size), weight: size, details });
}

/** Null when there is nothing new. */
function resumed(planned: PlannedSplit, { resume, known }: RangeRequest): PlannedSplit | null {
  const start = resume.get(planned.split);
  if (start === undefined) return planned;
  const { end, details } = planned, before = known?.get(planned.split);
  // Packed, it would have to be unpacked to see that there is nothing more.
  if (end === null && before !== undefined && before.size === details.size && before.mtimeMs === details.mtimeMs) {
    return null;
  }
  if (end !== null && BigInt(start) >= BigInt(end)) return null;
  return { ...planned, start, weight: end === null ? planned.weight : Number(BigInt(end) - BigInt(start)) };
}

/** The file that the plan means, or nothing: what has taken its place is another range. */
async function openFile(planned: PlannedSplit): Promise<ByteStream> {
  const file = TrackedFile.restore(planned.split, planned.start, planned.details);
  if (file === null) throw new InvariantError(`the plan of ${planned.split} doesn't name its file`);
  const look = await peek({ ...file, birthMs: null });
  if (look === null || !await beginsWith(look.bytes, file.head)) {
    throw broken(planned, new Error("it was deleted, renamed or replaced since the job was planned"));
  }
  file.compression = detectCompression(look.bytes) ?? "none";
  const stream = await fileFeed(file).open();
  if (stream === null) throw broken(planned, new Error("it was deleted while it was opened"));
  return stream;
}

function broken({ split, details }: PlannedSplit, error: unknown): FatalError {
  return new FatalError(`${details.path ?? split} can't be read to its end: ${(error as Error).message}`, {
    cause: error,
  });
}
