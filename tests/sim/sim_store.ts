import { Buffer } from "node:buffer";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Clock } from "../../src/runtime/clock.ts";
import { RetriableError } from "../../src/runtime/errors.ts";
import type { Random } from "../../src/runtime/random.ts";
import type { ObjectTarget, StoredObject } from "../../src/target/target.ts";
import type { Manifest } from "../../src/target/manifest.ts";
import { type FaultRates, unreliable } from "./faults.ts";
import { demand } from "./invariants.ts";
import type { SimTime } from "./sim_clock.ts";

function contents({ key, chunks, byteLength }: StoredObject): Uint8Array {
  // A chunk is a whole frame; node:zlib decodes only the first of several.
  if (key.endsWith(".zst")) return Buffer.concat(chunks.map((chunk) => zstdDecompressSync(chunk)));
  const bytes = Buffer.concat(chunks);
  if (bytes.length !== byteLength) throw new Error(`${key}: byteLength ${byteLength}, chunks have ${bytes.length}`);
  return key.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

/** Ids of the records in an object, in the order of its lines. */
function idsOf(object: StoredObject): string[] {
  const lines = new TextDecoder().decode(contents(object)).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const row = JSON.parse(line);
    return object.purpose === "data" ? row.properties.id : `${row.split}#${row.position}`;
  });
}

interface Stored {
  readonly purpose: StoredObject["purpose"];
  readonly ids: readonly string[];
}

/** What the bucket holds, whoever wrote it. Counts every record's copies as objects come and are replaced. */
export class SimBucket {
  readonly objects = new Map<string, Stored>();
  readonly manifests = new Map<string, Manifest>();
  readonly #copies = { data: new Map<string, number>(), "dead-letter": new Map<string, number>() };

  put(object: StoredObject): void {
    if (object.purpose === "manifest") {
      this.manifests.set(object.key, JSON.parse(new TextDecoder().decode(contents(object))));
      return;
    }
    const ids = idsOf(object);
    const before = this.objects.get(object.key);
    if (before !== undefined) demand("nothingIsReplaced", { key: object.key, before: before.ids, after: ids });
    this.#count(before, -1);
    const stored = { purpose: object.purpose, ids };
    this.objects.set(object.key, stored);
    this.#count(stored, 1);
  }

  /** In how many places the record stands. */
  copies(id: string, purpose: "data" | "dead-letter"): number {
    return this.#copies[purpose].get(id) ?? 0;
  }

  #count(stored: Stored | undefined, by: number): void {
    if (stored === undefined || stored.purpose === "manifest") return;
    const copies = this.#copies[stored.purpose];
    for (const id of stored.ids) copies.set(id, (copies.get(id) ?? 0) + by);
  }
}

/** How a bucket fails, beside the network: puts that land long after their process has given up on them, or is gone. */
export interface BucketFaults {
  readonly time: SimTime;
  /** Probability per put. */
  late(): number;
  /** Whether nothing can be put just now. */
  isDown(): boolean;
  violated(error: unknown): void;
}

const LATE_MS = 20_000;

/** One process's connection to the bucket. Survives: failed puts, lost answers, slow and late puts, in any number. */
export class SimObjectTarget implements ObjectTarget {
  readonly kind = "objects";
  readonly #bucket: SimBucket;
  readonly #network: { clock: Clock; random: Random; rates: FaultRates };

  readonly #faults: BucketFaults;

  constructor(
    bucket: SimBucket,
    network: { clock: Clock; random: Random; rates: FaultRates },
    faults: BucketFaults,
  ) {
    this.#bucket = bucket;
    this.#network = network;
    this.#faults = faults;
  }

  async open(): Promise<void> {}

  async put(object: StoredObject, signal: AbortSignal): Promise<void> {
    const { time, late, isDown, violated } = this.#faults, { random } = this.#network;
    // What is sent is sent: the caller may use its buffers again.
    const sent = { ...object, chunks: object.chunks.map((chunk) => chunk.slice()) };
    const store = () => {
      try {
        this.#bucket.put(sent);
      } catch (error) {
        violated(error);
      }
    };
    const isLate = random.next() < late();
    if (isLate) time.add(time.nowMs + random.next() * LATE_MS, store);
    const effect = () => {
      if (isLate || isDown()) throw new RetriableError(isLate ? "injected timeout; it lands later" : "injected outage");
      store();
    };
    await unreliable(effect, (why) => new RetriableError(why), { ...this.#network, signal });
  }

  async close(): Promise<void> {}
}
