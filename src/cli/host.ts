import type { Environment } from "../config/environment.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Machine } from "../runtime/machine.ts";
import type { Random } from "../runtime/random.ts";
import type { TextStyle } from "../help/layout.ts";
import type { OutputStream } from "../target/target.ts";

/** The signals that ask the process to end. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The process and the machine, as commands see them. main.ts has the real ones; tests bring their own. */
export interface Host {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly machine: Machine;
  /** Results only: rows of the console target, help, findings. */
  readonly stdout: OutputStream & { isTerminal(): boolean };
  readonly stderr: {
    isTerminal(): boolean;
    /** Columns of the terminal; 80 when that can't be found out. */
    columns(): number;
    /** Writes all of the text before it returns. Never throws: there is nobody left to tell. */
    write(text: string): void;
  };
  /** Everything on standard input, as bytes. */
  readStdin(): Promise<Uint8Array>;
  /** Called for each of the signals, in place of the end of the process; at once for those that came before. */
  onStopSignal(listener: (signal: StopSignal) => void): void;
  /** Called for errors that nobody caught, in place of the runtime's own message. The listener ends the process. */
  onUncaught(listener: (error: unknown) => void): void;
  /** Ends the process at once. */
  exit(code: number): never;
}

/** Writes all of the text to standard output. */
export async function print(host: Pick<Host, "stdout">, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length;) offset += await host.stdout.write(bytes.subarray(offset));
}

/** Text for people is fitted to a terminal up to here: longer lines are hard to read. */
const MAX_COLUMNS = 120;
/** That of output that is no terminal, which has no colours either. */
const PLAIN_COLUMNS = 80;

/** How text for people may look on standard output. */
export function textStyleOf({ stdout, stderr, environment }: Host): TextStyle {
  if (!stdout.isTerminal()) return { columns: PLAIN_COLUMNS, colors: false };
  return { columns: Math.min(stderr.columns(), MAX_COLUMNS), colors: wantsColors(environment) };
}

/** What the user says about colours (no-color.org); whether there is a terminal is another question. */
export function wantsColors(environment: Environment): boolean {
  return (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb";
}
