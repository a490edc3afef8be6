/** What is wrong with several values together, also while some of them are wrong by themselves. */
import type { ConfigProblem } from "../runtime/errors.ts";
import { isFreeText, type Option } from "./option.ts";
import type { OptionGroup } from "./section.ts";

/** Stands for any text. */
const SOME_TEXT = "x";

/**
 * What a group's `validate` says whatever the values in `invalid` were meant to be: each is tried as everything that it may
 * be (or some of it), and only what is said each time is true. Nothing is said again of the invalid ones themselves.
 */
export function problemsTogether(
  group: OptionGroup<object>,
  specs: Readonly<Record<string, Option<unknown>>>,
  { config, invalid }: { config: Record<string, unknown>; invalid: readonly string[] },
): ConfigProblem[] {
  if (group.validate === undefined) return [];
  const choices = invalid.map((field) => [field, possibleValues(specs[field])] as const);
  const rounds = Math.max(1, ...choices.map(([, values]) => values.length));
  const said = Array.from({ length: rounds }, (_, round) => {
    const supposed = Object.fromEntries(choices.map(([field, values]) => [field, values[round % values.length]]));
    return group.validate!({ ...config, ...supposed });
  });
  const keys = new Set(invalid.map((field) => specs[field].key));
  const isSaid = ({ key, message }: ConfigProblem) => (other: ConfigProblem) =>
    other.key === key && other.message === message;
  return said[0].filter((problem) =>
    !keys.has(problem.key) && said.every((problems) => problems.some(isSaid(problem)))
  );
}

function possibleValues(option: Option<unknown>): readonly unknown[] {
  if (option.values !== undefined) return option.values;
  if (isFreeText(option)) return [option.parse(SOME_TEXT), option.defaultValue];
  return [option.defaultValue, 0, Number.MAX_SAFE_INTEGER];
}
