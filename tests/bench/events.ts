/**
 * Realistic events for benches and tests, the same for the same seed: `large` ones of 13 fields and about 430 bytes,
 * `small` ones of 4 fields and about 75 bytes (PLAIN; 40 more in an
 * envelope), in any of the record layouts.
 */
import { SeededRandom } from "../../src/runtime/random.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";

export interface EventOptions {
  readonly rowCount: number;
  readonly layout: "RAKAM" | "FABRIC" | "PLAIN";
  readonly size: "large" | "small";
  /** Default 1. */
  readonly seed?: number;
  /** Rows are spread over this many collections, 1 to 8. Default 3. */
  readonly collectionCount?: number;
}

/** Records one after the other: row i is `bytes[offsets[i], offsets[i + 1])`. */
export interface Events {
  readonly rowCount: number;
  readonly bytes: Uint8Array;
  /** Length rowCount + 1. */
  readonly offsets: Uint32Array;
}

const COLLECTIONS = ["pageview", "click", "purchase", "search", "signup", "login", "logout", "error"];
const COUNTRIES = ["DE", "TR", "US", "FR", "JP", "BR", "IN", "GB"];
const PAGES = ["products", "category", "cart", "checkout", "account", "search"];
const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15",
];
/** 2026-11-01T00:00:00Z. */
const START_MS = 1_793_491_200_000;

function largeFields(random: SeededRandom, row: number): Record<string, unknown> {
  const integer = (bound: number) => Math.floor(random.next() * bound);
  const timeMs = START_MS + row * 37 + integer(37);
  return {
    _time: timeMs,
    _user: `u${100000 + integer(900000)}`,
    session_id: random.hex(8),
    url: `https://shop.example.com/${PAGES[integer(PAGES.length)]}/${integer(1e6)}?ref=${random.hex(3)}`,
    referrer: integer(5) === 0 ? null : "https://google.com/",
    user_agent: AGENTS[integer(AGENTS.length)],
    country: COUNTRIES[integer(COUNTRIES.length)],
    screen_width: [1920, 1440, 1366, 390][integer(4)],
    price: integer(100000) / 100,
    load_seconds: integer(10_000_000) / 1e6,
    is_mobile: integer(3) === 0,
    visits: integer(500),
    created_at: new Date(timeMs - integer(5000)).toISOString(),
  };
}

function smallFields(random: SeededRandom, row: number): Record<string, unknown> {
  return {
    _time: START_MS + row * 37,
    _user: `user-${Math.floor(random.next() * 1e6)}`,
    item_count: Math.floor(random.next() * 10000),
    paid: random.next() < 0.3,
  };
}

function record({ layout, size }: EventOptions, collection: string, fields: Record<string, unknown>, id: string) {
  if (layout === "PLAIN") return fields;
  const project = size === "small" ? "p" : "shop";
  const name = size === "small" ? collection.slice(0, 1) : collection;
  if (layout === "RAKAM") return { project, collection: name, properties: fields };
  return { id, metadata: { version: 1 }, data: { _project: project, _collection: name, ...fields } };
}

/** The same bytes for the same options. */
export function generateEvents(options: EventOptions): Events {
  const random = new SeededRandom(options.seed ?? 1);
  const encoder = new TextEncoder();
  const offsets = new Uint32Array(options.rowCount + 1);
  let bytes = new Uint8Array(Math.max(1024, options.rowCount * (options.size === "small" ? 128 : 512)));
  let length = 0;
  for (let row = 0; row < options.rowCount; row++) {
    const collection = COLLECTIONS[Math.floor(random.next() * (options.collectionCount ?? 3))];
    const fields = options.size === "small" ? smallFields(random, row) : largeFields(random, row);
    const line = encoder.encode(JSON.stringify(record(options, collection, fields, String(row))));
    if (length + line.length > bytes.length) {
      const larger = new Uint8Array(2 * bytes.length);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(line, length);
    length += line.length;
    offsets[row + 1] = length;
  }
  return { rowCount: options.rowCount, bytes: bytes.slice(0, length), offsets };
}

/** The same records as batches of one split, as a source would give them; every batch owns its arrays. */
export function generateBatches(options: EventOptions & { rowsPerBatch: number; split?: string }): RecordBatch[] {
  const events = generateEvents(options);
  const batches: RecordBatch[] = [];
  for (let first = 0; first < events.rowCount; first += options.rowsPerBatch) {
    const rowCount = Math.min(options.rowsPerBatch, events.rowCount - first);
    const offsets = events.offsets.slice(first, first + rowCount + 1);
    const base = offsets[0];
    const bytes = events.bytes.slice(base, offsets[rowCount]);
    for (let i = 0; i <= rowCount; i++) offsets[i] -= base;
    batches.push({
      split: options.split ?? "events/0",
      epoch: 1n,
      start: String(first),
      next: String(first + rowCount),
      rowCount,
      bytes,
      offsets,
      timestamps: Float64Array.from({ length: rowCount }, (_, i) => START_MS + (first + i) * 37 + 1000),
      positions: BigInt64Array.from({ length: rowCount }, (_, i) => BigInt(first + i)),
      keys: null,
      headers: null,
    });
  }
  return batches;
}
