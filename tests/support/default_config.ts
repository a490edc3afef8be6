import type { OptionSpecs } from "../../src/config/option.ts";

/** What a set of options yields when no key is set, with these fields instead. */
export function defaultConfig<Config extends object>(
  options: OptionSpecs<Config>,
  fields: Partial<Config> = {},
): Config {
  const specs = Object.entries(options) as [keyof Config, OptionSpecs<Config>[keyof Config]][];
  const defaults = Object.fromEntries(specs.map(([field, { defaultValue }]) => [field, defaultValue]));
  return { ...defaults, ...fields } as Config;
}
