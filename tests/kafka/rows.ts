/** Numbered events in, and what of them came out: every one counted. */
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** The event with this number, in the RAKAM layout. */
export function event(id: number, pad = 0): string {
  const properties = { id, _time: 1_600_000_000_000 + id, text: "x".repeat(pad) };
  return JSON.stringify({ project: "shop", collection: "orders", properties });
}

export interface RowCount {
  /** How often each number came out. */
  readonly seen: ReadonlyMap<number, number>;
  readonly rows: number;
}

/** Reads every object below the directory, those that are still being written left out. */
export async function countRows(directory: string): Promise<RowCount> {
  const seen = new Map<number, number>();
  let rows = 0;
  for await (const path of walk(directory)) {
    if (!path.endsWith(".ndjson.gzip") && !path.endsWith(".ndjson.gz")) continue;
    const text = new TextDecoder().decode(gunzipSync(await Deno.readFile(path)));
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const id = (JSON.parse(line) as { properties: { id: number } }).properties.id;
      seen.set(id, (seen.get(id) ?? 0) + 1);
      rows++;
    }
  }
  return { seen, rows };
}

async function* walk(directory: string): AsyncGenerator<string> {
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (name.startsWith(".") || name.startsWith("_")) continue;
      const path = join(directory, name);
      if (isDirectory) yield* walk(path);
      else yield path;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What is wrong with the rows: numbers of [0, total) that are missing, and those that came more than once. */
export function mistakes({ seen }: RowCount, total: number): { missing: number[]; twice: number[]; unknown: number[] } {
  const missing: number[] = [], twice: number[] = [];
  for (let id = 0; id < total; id++) {
    const count = seen.get(id) ?? 0;
    if (count === 0) missing.push(id);
    else if (count > 1) twice.push(id);
  }
  return { missing, twice, unknown: [...seen.keys()].filter((id) => id >= total) };
}
