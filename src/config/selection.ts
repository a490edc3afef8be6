/** The two keys that choose the components. */

import { type Option, option } from "./option.ts";
import { type Reading, readOptions } from "./read.ts";
import type { Registry } from "./section.ts";

/** Heading of the two keys that choose the components. */
export const SELECTION_TITLE = "Source and target";

/** The two keys that choose the components, as options. */
export function selectionOptions(registry: Registry<unknown>): { source: Option<string>; target: Option<string> } {
  return {
    source: option.enumeration("stream.source", Object.keys(registry.sources), {
      doc: "Where records come from. The keys of the other sources have no effect.",
      required: true,
    }),
    target: option.enumeration("target", Object.keys(registry.targets), {
      doc: "Where rows go. The keys of the other targets have no effect.",
      required: true,
    }),
  };
}

/** What `stream.source` and `target` say; undefined when that is wrong or missing. */
export interface Selection {
  readonly source?: string;
  readonly target?: string;
}

/** Reads the two keys. */
export function readSelection(registry: Registry<unknown>, reading: Reading): Selection {
  const { source, target } = selectionOptions(registry);
  const where = { section: SELECTION_TITLE, neededBy: "the collector" };
  return readOptions({ source, target }, where, reading).config as unknown as Selection;
}
