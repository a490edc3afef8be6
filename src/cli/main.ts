/**
 * The command line: arguments -> a command -> an exit code. Each command is a file here, and a line of commands.ts; what a
 * command does stands in other rooms, this one has its flags and its words for people.
 */
import { redactUrls } from "../config/secrets.ts";
import { type ErrorReport, reportError } from "../runtime/error_report.ts";
import { ConfigError } from "../runtime/errors.ts";
import { parseInvocation } from "./arguments.ts";
import { UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { commandHelp, generalHelp } from "./usage.ts";
import { type Host, print, textStyleOf } from "./host.ts";
import { formatConfigError, NoConfigError } from "./load_config.ts";
import { exitCodeOf } from "./shutdown.ts";

/** Runs the command that the host's arguments name. Never throws: what goes wrong is said on standard error. */
export async function main(host: Host): Promise<ExitCode> {
  try {
    return await runCommand(host);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return EXIT.outputClosed;
    const text = usageProblem(error);
    host.stderr.write(text ?? unexpected(error));
    return text === undefined ? EXIT.failed : EXIT.usage;
  }
}

async function runCommand(host: Host): Promise<ExitCode> {
  const { name, named, command, args } = parseInvocation(host.args, COMMANDS);
  if (args.has("help")) {
    const { columns } = textStyleOf(host);
    await print(host, named ? commandHelp(name, command, columns) : generalHelp(COMMANDS, columns));
    return EXIT.done;
  }
  if (args.has("version")) {
    await print(host, `collector ${host.version}\n`);
    return EXIT.done;
  }
  if (!command.hearsSignals) host.onStopSignal((stopSignal) => host.exit(exitCodeOf(stopSignal)));
  return await command.run(args, host);
}

/** What the user has to change; undefined when that isn't it. */
function usageProblem(error: unknown): string | undefined {
  if (error instanceof ConfigError) return formatConfigError(error);
  if (error instanceof NoConfigError) return error.message;
  if (error instanceof UsageError) return `collector: ${error.message}\ncollector --help says more\n`;
  return undefined;
}

/** Something that no command expects, with its causes. */
function unexpected(error: unknown): string {
  let text = "";
  for (let report: ErrorReport | undefined = reportError(error, redactUrls); report; report = report.cause) {
    text += `collector: ${report.name}: ${report.message}\n${report.stack === undefined ? "" : `${report.stack}\n`}`;
  }
  return text;
}
