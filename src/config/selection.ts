/** The two keys that choose the components. */

import type { Given } from "./given.ts";
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
  readonly source: string | undefined;
  readonly target: string | undefined;
}

/** Reads the two keys. A source that is planned counts as selected, so that its keys are looked at, but is a problem. */
export function readSelection(registry: Registry<unknown>, reading: Reading): Selection {
  const { source, target } = selectionOptions(registry);
  const where = { section: SELECTION_TITLE, neededBy: "the collector" };
  const planned = plannedSource(registry, reading.given.get(source.key));
  if (planned !== undefined) {
    const message = `this build has no ${planned} source; it has ${Object.keys(registry.sources).join(", ")}`;
    reading.problems.push({ origin: reading.given.get(source.key)?.origin, key: source.key, message });
  }
  return {
    source: planned ?? readOptions({ source }, where, reading)?.source as string | undefined,
    target: readOptions({ target }, where, reading)?.target as string | undefined,
  };
}

function plannedSource(registry: Registry<unknown>, given: Given | undefined): string | undefined {
  const text = given?.text.replace(/^(['"])(.*)\1$/, "$2").toLowerCase() ?? "";
  return Object.hasOwn(registry.plannedSources, text) ? text : undefined;
}
