/**
 * The config: what the user gave -> typed values for each part, or every problem at once.
 *
 * Order of precedence, the strongest first: `--set key=value`, environment `COLLECTOR_*`, environment `RAKAM_*`, the file,
 * the default. An empty value in the file or after `--set` means "not set"; an empty variable counts as not given.
 */

import { ConfigError, type ConfigProblem } from "../runtime/errors.ts";
import { type ConfigInput, gatherGiven } from "./given.ts";
import { classifyKeys } from "./keys.ts";
import { type ListingEntry, type Reading, readOptions } from "./read.ts";
import {
  type AnySections,
  type OptionGroup,
  optionsOf,
  type Registry,
  type SectionConfigs,
  type Selected,
} from "./section.ts";
import { readSelection } from "./selection.ts";
import { problemsTogether } from "./together.ts";

/** The typed config: a field a section, and the components that it names. */
export type CollectorConfig<Sections, Source, Target> = SectionConfigs<Sections> & {
  readonly source: Selected<Source>;
  readonly target: Selected<Target>;
};

/** What came of a config that can be used. */
export interface Resolution<Sections, Source, Target> {
  readonly config: CollectorConfig<Sections, Source, Target>;
  /** What the user should change, but need not. To be logged as warnings. */
  readonly warnings: readonly ConfigProblem[];
  /** What has no effect, one sentence each. For `check`, and the debug log. */
  readonly notes: readonly string[];
  /** The values in effect, in the order of the docs, secrets hidden. */
  readonly listing: readonly ListingEntry[];
}

/**
 * Resolves a config against what the registry knows.
 *
 * @throws ConfigError with everything that is wrong, sorted as the file is.
 */
export function resolveConfig<
  Sections extends AnySections,
  Source extends OptionGroup<object>,
  Target extends OptionGroup<object>,
>(
  input: ConfigInput & {
    readonly registry: Registry<Sections, Source, Target>;
    /** What else is wrong with the parts that are right by themselves; those that aren't are absent. */
    problemsOf?(config: Partial<CollectorConfig<Sections, Source, Target>>): readonly ConfigProblem[];
  },
): Resolution<Sections, Source, Target> {
  const { registry } = input;
  const all = gatherGiven(input);
  if (all.unreadable) throw new ConfigError(all.problems);
  const given = new Map(all.values.map((value) => [value.key, value]));
  const reading: Reading = {
    given,
    environment: input.environment,
    problems: [...all.problems],
    warnings: [...all.warnings],
    listing: [],
  };
  const selected = readSelection(registry, reading);
  const notes = classifyKeys(all.values, { registry, selected }, reading);
  const config: Record<string, unknown> = {
    source: readComponent(registry.sources, selected.source, { kind: "Source", key: "stream.source" }, reading),
    target: readComponent(registry.targets, selected.target, { kind: "Target", key: "target" }, reading),
  };
  for (const [name, section] of Object.entries(registry.sections)) {
    config[name] = readValidated(section, { section: section.title, neededBy: "the collector" }, reading);
  }
  addProblems(input.problemsOf?.(config as Partial<CollectorConfig<Sections, Source, Target>>) ?? [], reading);
  if (reading.problems.length > 0) throw new ConfigError(sortByOrigin(reading.problems, input));
  return {
    config: config as unknown as CollectorConfig<Sections, Source, Target>,
    warnings: sortByOrigin(reading.warnings, input),
    notes,
    listing: reading.listing,
  };
}

function readValidated(
  group: OptionGroup<object>,
  where: { section: string; neededBy: string },
  reading: Reading,
): object | undefined {
  const specs = optionsOf(group);
  const read = readOptions(specs, where, reading);
  addProblems(problemsTogether(group, specs, read), reading);
  return read.invalid.length > 0 ? undefined : read.config;
}

function addProblems(problems: readonly ConfigProblem[], { given, problems: known }: Reading): void {
  for (const problem of problems) known.push({ ...problem, origin: given.get(problem.key)?.origin });
}

function readComponent<Component extends OptionGroup<object>>(
  components: Readonly<Record<string, Component>>,
  name: string | undefined,
  { kind, key }: { kind: string; key: string },
  reading: Reading,
): Selected<Component> | undefined {
  if (name === undefined) return undefined;
  const component = components[name];
  const config = readValidated(component, { section: `${kind}: ${name}`, neededBy: `${key}=${name}` }, reading);
  return config === undefined ? undefined : { name, component, config };
}

/** By line of the file; then the environment, `--set`, and what has no place; as found among equals. */
function sortByOrigin(problems: readonly ConfigProblem[], { file }: ConfigInput): ConfigProblem[] {
  const order = ({ origin }: ConfigProblem): number => {
    if (origin === undefined) return Infinity;
    if (origin === "--set") return Number.MAX_SAFE_INTEGER;
    if (file !== null && origin.startsWith(`${file.name}:`)) return Number(origin.slice(file.name.length + 1));
    return Number.MAX_SAFE_INTEGER - 1;
  };
  const byOrder = (a: ConfigProblem, b: ConfigProblem) => order(a) === order(b) ? 0 : order(a) - order(b);
  return [...problems].sort(byOrder);
}
