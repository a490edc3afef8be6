/**
 * The part of `@std/cli/parse-args` that this project uses, over minimist (whose semantics std documents as its own), for
 * machines that reach npm but not JSR. Remove "links" from deno.json to use the real package.
 */
import minimist from "minimist";

export interface ParseOptions {
  readonly boolean?: readonly string[];
  readonly string?: readonly string[];
  /** These come as arrays, also when given once or never. */
  readonly collect?: readonly string[];
  readonly alias?: Readonly<Record<string, string | string[]>>;
  readonly default?: Readonly<Record<string, unknown>>;
  readonly stopEarly?: boolean;
  readonly "--"?: boolean;
  /** Called for each argument that no option names; return false to leave it out of the result. */
  readonly unknown?: (argument: string, key?: string, value?: unknown) => unknown;
}

export type Args = Record<string, unknown> & { _: (string | number)[]; "--"?: string[] };

/** Parses command line arguments. Arguments that no option takes are in `_`. */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const keyOf = (argument: string) => /^--?([^=]+)/.exec(argument)?.[1];
  const parsed = minimist([...args], {
    boolean: [...options.boolean ?? []],
    string: [...options.string ?? [], "_"],
    alias: { ...options.alias },
    default: { ...options.default },
    stopEarly: options.stopEarly ?? false,
    "--": options["--"] ?? false,
    unknown: (argument: string) => options.unknown?.(argument, keyOf(argument)) !== false,
  }) as Args;
  for (const name of options.collect ?? []) {
    const value = parsed[name];
    parsed[name] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  }
  return parsed;
}
