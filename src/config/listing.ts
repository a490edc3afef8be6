/** The effective config, for people. */

import type { ListingEntry } from "./read.ts";

/** Values longer than this don't push the origins of the others to the right. */
const ALIGN_MAX = 60;

/** One line a key that has a value, under the headings of the docs: "kafka.offset = earliest   (collector.properties:4)". */
export function formatListing(entries: readonly ListingEntry[]): string {
  const set = entries.filter(({ text }) => text !== undefined);
  const assignment = ({ key, text }: ListingEntry) => `  ${key} = ${text}`;
  const width = Math.max(0, ...set.map((entry) => assignment(entry).length).filter((length) => length <= ALIGN_MAX));
  const lines: string[] = [];
  let section: string | undefined;
  for (const entry of set) {
    if (entry.section !== section) lines.push(...(section === undefined ? [] : [""]), entry.section);
    section = entry.section;
    lines.push(`${assignment(entry).padEnd(width)}  (${entry.origin})`);
  }
  return lines.join("\n") + "\n";
}
