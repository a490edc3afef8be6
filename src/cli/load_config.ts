/** Arguments -> the config, or everything that is wrong with it. */
import type { SourceComponent } from "../source/source.ts";
import type { TargetComponent } from "../target/target.ts";
import { OVERRIDE_PREFIXES, overridesOf } from "../config/environment.ts";
import type { ConfigFile } from "../config/given.ts";
import { type Resolution, resolveConfig } from "../config/resolve.ts";
import { limitsOf } from "../loop/limits.ts";
import { REGISTRY, type SECTIONS } from "../registry.ts";
import { ConfigError, type ConfigProblem, messageOf } from "../runtime/errors.ts";
import { type Arguments, type Flag, UsageError } from "./command.ts";
import { shortHelp } from "./usage.ts";
import type { Host } from "./host.ts";

/** The flags of every command that reads a config. */
export const CONFIG_FLAGS: readonly Flag[] = [
  {
    name: "config",
    short: "c",
    value: "FILE",
    doc: "the config file, in place of CONFIG.properties; - is standard input",
  },
  { name: "set", value: "KEY=VALUE", repeatable: true, doc: "set a key of the config" },
];

/** The config as commands use it. */
export type Loaded = Resolution<typeof SECTIONS, SourceComponent<object>, TargetComponent<object>>;

/** There is neither a file nor anything else that says what to do. */
export class NoConfigError extends UsageError {
  constructor() {
    super(shortHelp());
  }
}

/**
 * Reads the file that the arguments name, and the environment.
 *
 * @throws ConfigError with every problem, UsageError when the file can't be read or there is no config at all.
 */
export async function loadConfig(args: Arguments, host: Host): Promise<Loaded> {
  const [positional] = args.positionals;
  const flag = args.value("config");
  if (positional !== undefined && flag !== undefined) {
    throw new UsageError(`two config files: ${positional} and --config ${flag}`);
  }
  const name = positional ?? flag;
  const sets = args.values("set");
  const { environment } = host;
  if (name === undefined && sets.length === 0) {
    const overridden = OVERRIDE_PREFIXES.some((prefix) => overridesOf(environment, prefix).length > 0);
    if (!overridden) throw new NoConfigError();
  }
  const file = name === undefined ? null : await readConfigFile(name, host);
  const problemsOf = (config: Partial<Loaded["config"]>) => machineProblems(config, host);
  return resolveConfig({ registry: REGISTRY, file, sets, environment, problemsOf });
}

/** What is right by itself may still be more than this machine has. */
function machineProblems({ source, pipeline, objects, process }: Partial<Loaded["config"]>, host: Host) {
  if (pipeline === undefined || objects === undefined || process === undefined) return [];
  try {
    limitsOf({ source, pipeline, objects, process }, host.machine);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

async function readConfigFile(name: string, host: Host): Promise<ConfigFile> {
  if (name === "-") return { name: "standard input", contents: await host.readStdin() };
  try {
    return { name, contents: await Deno.readFile(name) };
  } catch (cause) {
    throw new UsageError(`cannot read the config file ${name}: ${whyUnreadable(cause)}`, { cause });
  }
}

function whyUnreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return messageOf(error);
}

/** One line a problem, as compilers print them: "collector.properties:3: kafka.topic: not set". */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems.map(({ origin, key, message }) => `${origin === undefined ? "" : `${origin}: `}${key}: ${message}\n`)
    .join("");
}

/** The problems and their count, for standard error. */
export function formatConfigError({ problems }: ConfigError): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return `${formatProblems(problems)}${count} in the config, nothing was started\n`;
}
