import { SeededRandom } from "../../src/runtime/random.ts";

/** What must become of a record. */
export type Fate = "row" | "dead-letter" | "dropped";

export interface SimRecord {
  readonly id: string;
  readonly fate: Fate;
  readonly text: string;
}

function seedOf(split: string, position: number): number {
  let hash = 2166136261;
  for (const char of `${split}#${position}`) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
  return hash;
}

/** The record at a position of a split: the same one whoever asks, whenever. */
export function recordAt(split: string, position: number): SimRecord {
  const random = new SeededRandom(seedOf(split, position));
  const id = `${split}#${position}`;
  const dice = random.next();
  if (dice < 0.02) return { id, fate: "dead-letter", text: `{"project":"p","id":"${id}",` };
  if (dice < 0.03) return { id, fate: "dropped", text: "" };
  if (dice < 0.05) {
    return { id, fate: "dropped", text: `{"project":"p","collection":"unwanted","properties":{"id":"${id}"}}` };
  }
  const collection = `c${Math.floor(random.next() * 3)}`;
  const project = random.next() < 0.8 ? "p" : "q";
  const value = random.next() < 0.5 ? Math.floor(random.next() * 1e6) : `"text ${random.next()}"`;
  const padding = "x".repeat(Math.floor(random.next() * 300));
  const text =
    `{"project":"${project}","collection":"${collection}","properties":{"_time":${1.7e12 + position},"_user":"u",` +
    `"id":"${id}","value":${value},"padding":"${padding}"}}`;
  return { id, fate: "row", text };
}
