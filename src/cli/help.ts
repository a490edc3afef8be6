import { type Commands, COMMON_FLAGS, DEFAULT_COMMAND } from "./arguments.ts";
import type { Command, Flag } from "./command.ts";
import { EXIT_CODE_DOCS } from "./exit_code.ts";

const PROGRAM = "collector";

/** Rows of two columns, the second one aligned and indented by two. */
function twoColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}

function flagRow({ name, short, value, repeatable, doc }: Flag): [string, string] {
  const names = `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
  return [names, repeatable ? `${doc}; may be repeated` : doc];
}

/** What `collector --help` prints. */
export function generalHelp(commands: Commands): string {
  const { flags } = commands[DEFAULT_COMMAND];
  return `Collects events from a source and writes them to a target as compressed files; nothing is lost on the way.

Usage: ${PROGRAM} [${DEFAULT_COMMAND}] CONFIG.properties [options]
       ${PROGRAM} COMMAND [options]

Commands:
${twoColumns(Object.entries(commands).map(([name, { summary }]) => [name, summary]))}
Options of ${DEFAULT_COMMAND}, the command when none is named:
${twoColumns([...flags, ...COMMON_FLAGS].map(flagRow))}
${configHelp()}
Exit codes:
${twoColumns(EXIT_CODE_DOCS.map(([code, doc]) => [String(code), doc]))}
${PROGRAM} COMMAND --help says more about a command.
`;
}

/** What `collector COMMAND --help` prints. */
export function commandHelp(name: string, command: Command): string {
  return `${command.doc}

Usage: ${PROGRAM} ${name} ${command.usage}

Options:
${twoColumns([...command.flags, ...COMMON_FLAGS].map(flagRow))}
${configHelp()}
Exit codes:
${twoColumns(EXIT_CODE_DOCS.map(([code, doc]) => [String(code), doc]))}`;
}

/** What is printed when nothing at all says what to do. */
export function shortHelp(): string {
  return `Nothing to do: there is no config.

  ${PROGRAM} CONFIG.properties         collect, as the file says
  ${PROGRAM} check CONFIG.properties   try a config without reading or writing data
  ${PROGRAM} --help                    everything else

To see synthetic events as rows, without any file:

  ${PROGRAM} --set stream.source=demo --set target=console --set middleware.max-flush-duration=1s
`;
}

function configHelp(): string {
  return `Every key of the config can also be set by --set or by an environment variable: kafka.group.id by
COLLECTOR_KAFKA_GROUP_ID; a dash becomes two underscores. The strongest first: --set, COLLECTOR_*, RAKAM_*, the file,
the default.
`;
}
