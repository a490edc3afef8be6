/**
 * The reports of finished replays and redrives, as far as an audit needs them: what they say was read.
 *
 *     {"version":1,...,"ranges":[...],"totals":{...}   the head: it is read and checked
 *     ,"units":[...]}\n                                hundreds of MB for 100,000 units: nothing of them is held
 */
import { Buffer } from "node:buffer";
import { REPLAY_PREFIX, REPORT_FIELDS } from "../replay/report.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ListedObject, ReadableObjectTarget } from "../target/target.ts";
import { type AuditedRange, list, ManifestError, parseJson, readStretch } from "./parse_manifest.ts";
import { concat, readJsonObjects } from "./read_manifests.ts";

/** Reports that are read at a time: each may have 100,000 ranges. */
const READS_AT_ONCE = 4;
/** The head with 100,000 splits has 25 MB. */
const MAX_HEAD_BYTES = 64 * 2 ** 20;
/** Larger reports are not read further than their heads: whether they are whole isn't seen then. */
const MAX_WHOLE_BYTES = 64 * 2 ** 20;

/** Where the head ends. No text in JSON has it, since each quote in one stands behind a backslash. */
const UNITS = Buffer.from(',"units":[');
/** A cut report ends otherwise: there is no other line feed. */
const END = "]}\n";

/** What a report says was read and stored. */
export type ClaimedRange = Pick<AuditedRange, "split" | "start" | "next">;

export interface ReadReport {
  readonly key: string;
  readonly claims: readonly ClaimedRange[] | ManifestError;
}

/** All reports of the target in the order of their keys, some read ahead. One that goes meanwhile is left out. */
export function readReports(
  target: ReadableObjectTarget,
  runtime: Runtime,
  signal: AbortSignal,
): AsyncGenerator<ReadReport> {
  const read = async ({ key, byteLength }: ListedObject): Promise<ReadReport | null> => {
    const chunks = await target.get(key, signal);
    if (chunks === null) return null;
    try {
      return { key, claims: await readClaims(chunks, { whole: byteLength <= MAX_WHOLE_BYTES }) };
    } catch (error) {
      if (error instanceof ManifestError) return { key, claims: error };
      throw error;
    }
  };
  return readJsonObjects({ what: "read report", prefix: REPLAY_PREFIX, atOnce: READS_AT_ONCE, read }, {
    ...{ target, runtime, signal },
  });
}

/**
 * The ranges of a report.
 *
 * @param whole whether it is read to its end, to see that nothing of it was cut off.
 * @throws ManifestError that says what is wrong.
 */
export async function readClaims(
  chunks: AsyncIterable<Uint8Array>,
  { whole }: { whole: boolean },
): Promise<ClaimedRange[]> {
  const head = new Head();
  let end: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    if (!head.isWhole) head.add(chunk);
    end = lastBytes(end, chunk);
    if (head.isWhole && !whole) break;
  }
  const root = parseJson(head.json(), head.isWhole ? REPORT_FIELDS : [...REPORT_FIELDS, "units"]);
  if (!head.isWhole) throw new ManifestError("it has no units");
  if (whole && new TextDecoder().decode(end) !== END) throw new ManifestError("its end is missing");
  return list(root.ranges, "ranges").map(readStretch);
}

/** As many as END has. */
function lastBytes(before: Uint8Array, chunk: Uint8Array): Uint8Array {
  const last = chunk.subarray(-END.length);
  return concat([before, last], before.length + last.length).slice(-END.length);
}

/** Everything in front of the units. */
class Head {
  isWhole = false;
  readonly #parts: Uint8Array[] = [];
  #byteLength = 0;
  /** The last bytes of what came, which may be the first ones of UNITS. */
  #carried: Uint8Array = new Uint8Array(0);

  add(chunk: Uint8Array): void {
    const bytes = concat([this.#carried, chunk], this.#carried.length + chunk.length);
    const at = Buffer.from(bytes.buffer).indexOf(UNITS);
    this.isWhole = at >= 0;
    const kept = this.isWhole ? at : Math.max(0, bytes.length - UNITS.length + 1);
    this.#parts.push(bytes.subarray(0, kept));
    this.#carried = bytes.subarray(kept);
    this.#byteLength += kept;
    if (this.#byteLength > MAX_HEAD_BYTES) {
      throw new ManifestError(`there are no units in its first ${MAX_HEAD_BYTES} bytes, as no report has it`);
    }
  }

  /** In JSON: the head as an object of its own, or everything, when there are no units. */
  json(): Uint8Array {
    const rest = this.isWhole ? Buffer.from("}") : this.#carried;
    return concat([...this.#parts, rest], this.#byteLength + rest.length);
  }
}
