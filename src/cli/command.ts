import type { ExitCode } from "./exit_code.ts";
import type { Host } from "./host.ts";

/** A flag of a command: `--name`, or `--name VALUE` when it takes a value. */
export interface Flag {
  readonly name: string;
  /** What stands for the value in the help; undefined for flags that take none. */
  readonly value?: string;
  /** One character: `-n`. */
  readonly short?: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** For the help: starts in lower case, no full stop. */
  readonly doc: string;
}

/** What the user wrote, sorted out. */
export interface Arguments {
  /** What is not a flag, without the command's name. */
  readonly positionals: readonly string[];
  /** Whether a flag without a value was given. */
  has(flag: string): boolean;
  /** The value of a flag. */
  value(flag: string): string | undefined;
  /** The values of a repeatable flag, in their order. */
  values(flag: string): readonly string[];
}

/** One line of the table of commands. */
export interface Command {
  /** For the list of commands: starts in lower case, no full stop. */
  readonly summary: string;
  /** What comes after the command's name: "CONFIG [options]". */
  readonly usage: string;
  /** Sentences for the command's own help. */
  readonly doc: string;
  readonly flags: readonly Flag[];
  /** The most positionals that it takes. */
  readonly maxPositionals: number;
  /** SIGTERM and SIGINT are for it to hear, also those that came before; other commands end at once. */
  readonly hearsSignals?: true;
  /** Does it. Errors that it throws are logged, and the process exits with 1; ConfigError and UsageError with 2. */
  run(args: Arguments, host: Host): Promise<ExitCode>;
}

/** The command line can't be used. The message says what to write. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
