/** Command line -> the command and its arguments. */
import { parseArgs } from "@std/cli";
import { nearest } from "../config/suggest.ts";
import { type Arguments, type Command, type Flag, UsageError } from "./command.ts";

/** Every command has these. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "help", short: "h", doc: "print this help" },
  { name: "version", short: "V", doc: "print the version" },
];

/** The command that runs when none is named. */
export const DEFAULT_COMMAND = "run";

export type Commands = Readonly<Record<string, Command>>;

export interface Invocation {
  readonly name: string;
  /** False when the command is the default one. */
  readonly named: boolean;
  readonly command: Command;
  readonly args: Arguments;
}

interface Scan {
  readonly parsed: ReturnType<typeof parseArgs>;
  /** Flags that are not among the known ones, as they were written, without their values. */
  readonly unknown: readonly string[];
}

function scan(args: readonly string[], flags: readonly Flag[]): Scan {
  const unknown: string[] = [];
  const withValue = flags.filter(({ value }) => value !== undefined).map(({ name }) => name);
  const parsed = parseArgs([...args], {
    boolean: flags.filter(({ value }) => value === undefined).map(({ name }) => name),
    string: [...withValue, "_"],
    collect: withValue,
    alias: Object.fromEntries(flags.flatMap(({ name, short }) => short === undefined ? [] : [[name, short]])),
    unknown: (argument: string) => {
      if (!/^-./.test(argument)) return true;
      unknown.push(argument.replace(/=.*$/s, ""));
      return false;
    },
  });
  return { parsed, unknown };
}

function allFlags(commands: Commands): Flag[] {
  const flags = new Map(COMMON_FLAGS.map((flag) => [flag.name, flag]));
  for (const command of Object.values(commands)) for (const flag of command.flags) flags.set(flag.name, flag);
  return [...flags.values()];
}

/**
 * Finds the command and its arguments. The first word that is no flag names the command, or is the first argument of the
 * default one; a word that can't be a config file's name is taken for a mistyped command.
 *
 * @throws UsageError
 */
export function parseInvocation(args: readonly string[], commands: Commands): Invocation {
  const everything = scan(args, allFlags(commands));
  const [first, second] = everything.parsed._.map(String);
  const named = first !== undefined && Object.hasOwn(commands, first);
  if (!named && first !== undefined && /^[a-z][a-z-]*$/i.test(first)) throw unknownCommand(first, second, commands);
  const name = named ? first : DEFAULT_COMMAND;
  const command = commands[name];
  const flags = [...command.flags, ...COMMON_FLAGS];
  const { parsed, unknown } = scan(args, flags);
  if (unknown.length > 0) throw unknownFlag(unknown[0], flags, { name, commands });
  const positionals = parsed._.map(String).slice(named ? 1 : 0);
  if (positionals.length > command.maxPositionals) {
    throw new UsageError(`unexpected argument "${positionals[command.maxPositionals]}"`);
  }
  return { name, named, command, args: readFlags(parsed, flags, positionals) };
}

function readFlags(parsed: Scan["parsed"], flags: readonly Flag[], positionals: readonly string[]): Arguments {
  const values = new Map<string, readonly string[]>();
  for (const { name, value, repeatable } of flags) {
    if (value === undefined) continue;
    const given = parsed[name] as string[];
    if (given.some((text) => text === "")) throw new UsageError(`--${name} needs a value: write --${name} ${value}`);
    if (given.length > 1 && !repeatable) throw new UsageError(`--${name} is given ${given.length} times`);
    values.set(name, given);
  }
  return {
    positionals,
    has: (flag) => parsed[flag] === true,
    value: (flag) => values.get(flag)?.[0],
    values: (flag) => values.get(flag) ?? [],
  };
}

function unknownCommand(word: string, next: string | undefined, commands: Commands): UsageError {
  const meant = nearest(word, Object.keys(commands), Math.max(1, Math.floor(word.length / 3)));
  const hint = meant !== undefined
    ? `did you mean ${meant}?`
    : next === undefined
    ? `a config file of that name is written ./${word}`
    : `commands are ${Object.keys(commands).join(", ")}`;
  return new UsageError(`unknown command "${word}"; ${hint}`);
}

function unknownFlag(
  flag: string,
  flags: readonly Flag[],
  { name, commands }: { name: string; commands: Commands },
): UsageError {
  const bare = flag.replace(/^-+/, "");
  const elsewhere = Object.keys(commands).filter((other) => commands[other].flags.some((known) => known.name === bare));
  if (elsewhere.length > 0) return new UsageError(`${flag} is a flag of ${elsewhere.join(", ")}, not of ${name}`);
  if (bare.includes(".")) return new UsageError(`unknown flag ${flag}; to set a config key, write --set ${bare}=VALUE`);
  const meant = flag.startsWith("--") ? nearest(bare, flags.map((known) => known.name)) : undefined;
  return new UsageError(`unknown flag ${flag}${meant === undefined ? "" : `; did you mean --${meant}?`}`);
}
