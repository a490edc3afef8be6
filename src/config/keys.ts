/** Which keys are known, which have no effect, and what the unknown ones were meant to be. */

import { variableOfKey } from "./environment.ts";
import { counterpartOf } from "./foreign.ts";
import type { Given } from "./given.ts";
import { legacyKey } from "./legacy.ts";
import type { Reading } from "./read.ts";
import { type AnySections, optionsOf, type Registry } from "./section.ts";
import { type Selection, selectionOptions } from "./selection.ts";
import { nearest } from "./suggest.ts";

/** Edits within which a variable of our prefix is taken for a mistyped key. Others may use the prefix too. */
const NEAR_MISS_EDITS = 2;

interface KnownKeys {
  readonly all: ReadonlySet<string>;
  /** Keys that have an effect with the selected components. */
  readonly effective: ReadonlySet<string>;
}

function keysOf(component: { readonly options: object } | undefined): string[] {
  return component === undefined ? [] : Object.values(optionsOf(component)).map(({ key }) => key);
}

function knownKeys(registry: Registry<AnySections>, { source, target }: Selection): KnownKeys {
  const { sections, sources, targets } = registry;
  const always = [
    ...keysOf({ options: selectionOptions(registry) }),
    ...Object.values(sections).flatMap(keysOf),
  ];
  const components = [...Object.values(sources), ...Object.values(targets)];
  const sourceKeys = source === undefined ? Object.values(sources).flatMap(keysOf) : keysOf(sources[source]);
  const targetKeys = target === undefined ? Object.values(targets).flatMap(keysOf) : keysOf(targets[target]);
  return {
    all: new Set([...always, ...components.flatMap(keysOf)]),
    effective: new Set([...always, ...sourceKeys, ...targetKeys]),
  };
}

/**
 * Notes unknown keys as problems and the original's other keys as warnings.
 *
 * @returns what is known but has no effect, as sentences.
 */
export function classifyKeys(
  values: readonly Given[],
  { registry, selected }: { registry: Registry<AnySections>; selected: Selection },
  reading: Reading,
): string[] {
  const known = knownKeys(registry, selected);
  const idle = new Set<string>();
  for (const value of values) {
    if (known.effective.has(value.key)) continue;
    if (known.all.has(value.key)) {
      idle.add(value.key);
      continue;
    }
    const instead = legacyKey(value.key);
    if (instead !== undefined) reading.warnings.push({ origin: value.origin, key: value.key, message: instead });
    else noteUnknown(value, known.all, reading);
  }
  if (idle.size === 0) return [];
  const selection = `stream.source=${selected.source} and target=${selected.target}`;
  return [`no effect with ${selection}: ${[...idle].sort().join(", ")}`];
}

function noteUnknown({ key, layer, origin }: Given, known: ReadonlySet<string>, reading: Reading): void {
  if (layer === "file" || layer === "--set") {
    const exact = counterpartOf(key, { nested: false });
    const near = exact === undefined ? nearest(key, known) : undefined;
    const other = exact ?? (near === undefined ? counterpartOf(key, { nested: true }) : undefined);
    const hint = near !== undefined ? `; did you mean ${near}?` : other !== undefined ? `; here it is ${other}` : "";
    reading.problems.push({ origin, key, message: `unknown key${hint}` });
    return;
  }
  // Variables belong to the machine: only what is nearly a key of ours is a mistake; the rest may be somebody else's.
  const meant = nearest(key, known, NEAR_MISS_EDITS);
  const hint = meant === undefined ? "" : `; did you mean ${variableOfKey(meant, layer)}?`;
  if (meant !== undefined && layer === "COLLECTOR_") {
    reading.problems.push({ origin, key, message: `unknown key${hint}` });
  } else reading.warnings.push({ origin, key, message: `unknown key, ignored${hint}` });
}
