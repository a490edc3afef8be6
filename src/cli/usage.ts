import { type Commands, COMMON_FLAGS, DEFAULT_COMMAND } from "./arguments.ts";
import { beside, GAP, hanging, spaced, wrap } from "../help/layout.ts";
import type { Command, Flag } from "./command.ts";
import { EXIT_CODE_DOCS } from "./exit_code.ts";

const PROGRAM = "collector";
const WHAT_IT_IS =
  "Collects events from a source and writes them to a target as compressed files; nothing is lost on the way.";
const CONFIG_HELP =
  "Every key of the config can also be set by --set or by an environment variable: kafka.group.id by " +
  "COLLECTOR_KAFKA_GROUP_ID; a dash becomes two underscores. The strongest first: --set, COLLECTOR_*, RAKAM_*, the " +
  "file, the default.";

/** Rows of two columns, indented. */
function twoColumns(rows: readonly (readonly [string, string])[], columns: number): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  const right = columns - width - 2 * GAP.length;
  return rows.flatMap(([name, doc]) => hanging(GAP, beside([[name], wrap(doc, right)], [width, right])))
    .map((line) => `${line}\n`).join("");
}

/** Paragraphs, with a blank line between them. */
function paragraphs(text: string, columns: number): string {
  return spaced(text.split("\n\n").map((paragraph) => wrap(paragraph, columns))).join("\n");
}

function flagRow({ name, short, value, repeatable, doc }: Flag): [string, string] {
  const names = `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
  return [names, repeatable ? `${doc}; may be repeated` : doc];
}

/** What `collector --help` prints. */
export function generalHelp(commands: Commands, columns: number): string {
  const { flags } = commands[DEFAULT_COMMAND];
  return `${paragraphs(WHAT_IT_IS, columns)}

Usage: ${PROGRAM} [${DEFAULT_COMMAND}] CONFIG.properties [options]
       ${PROGRAM} COMMAND [options]

Commands:
${twoColumns(Object.entries(commands).map(([name, { summary }]) => [name, summary]), columns)}
Options of ${DEFAULT_COMMAND}, the command when none is named:
${twoColumns([...flags, ...COMMON_FLAGS].map(flagRow), columns)}
${endOfHelp(flags, columns)}
More: ${PROGRAM} COMMAND --help, and ${PROGRAM} help.
`;
}

/** What `collector help` prints: topics with a line each. */
export function topicList(
  topics: readonly (readonly [string, string])[],
  commands: Commands,
  columns: number,
): string {
  return `Usage: ${PROGRAM} help TOPIC

Topics:
${twoColumns(topics, columns)}
Commands, for which there is help as well:
${twoColumns(Object.entries(commands).map(([name, { summary }]) => [name, summary]), columns)}`;
}

/** How a command is written: a line, and its flags. */
export function commandUsage(name: string, command: Command, columns: number): string {
  const usage = hanging("Usage: ", wrap(`${PROGRAM} ${name} ${command.usage}`, columns - "Usage: ".length));
  return `${usage.join("\n")}

Options:
${twoColumns([...command.flags, ...COMMON_FLAGS].map(flagRow), columns)}`;
}

/** What `collector COMMAND --help` prints. */
export function commandHelp(name: string, command: Command, columns: number): string {
  return `${paragraphs(command.doc, columns)}

${commandUsage(name, command, columns)}
${endOfHelp(command.flags, columns)}`;
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

function endOfHelp(flags: readonly Flag[], columns: number): string {
  const config = flags.some(({ name }) => name === "set") ? `${paragraphs(CONFIG_HELP, columns)}\n\n` : "";
  return `${config}Exit codes:
${twoColumns(EXIT_CODE_DOCS.map(([code, doc]) => [String(code), doc]), columns)}`;
}
