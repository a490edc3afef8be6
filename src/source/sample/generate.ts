/**
 * Makes events.json, the sample events: three days of a shop's web site and of a game, from a fixed seed. Run it again
 * after a change here: `deno run --allow-write src/source/sample/generate.ts`. It never runs in the collector itself.
 */
import { SeededRandom } from "../../runtime/random.ts";
import { pickKind, START_MS } from "./events.ts";

const SEED = 20260901;
const EVENT_COUNT = 1000;
const SPAN_MS = 3 * 24 * 3_600_000;

/** The contents of events.json: an array, one event a line, in the order of their times. */
export function generateSample(): string {
  const random = new SeededRandom(SEED);
  const lines: string[] = [];
  for (let i = 0; i < EVENT_COUNT; i++) {
    const timeMs = START_MS + Math.floor((i + random.next()) * SPAN_MS / EVENT_COUNT);
    const { project, collection, fields } = pickKind(random);
    lines.push(JSON.stringify({ project, collection, properties: fields(random, timeMs) }));
  }
  return `[\n${lines.join(",\n")}\n]\n`;
}

if (import.meta.main) await Deno.writeTextFile(new URL("events.json", import.meta.url), generateSample());
