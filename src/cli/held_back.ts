import type { Host } from "./host.ts";

/** The most that is kept: the last lines count when something went wrong. */
const MAX_CHARACTERS = 256 << 10;

/** A process that says nothing on standard error until it turns out that somebody needs to know. */
export interface HeldBack {
  readonly host: Host;
  /** Writes what was held back; comes by itself when the host is told to end the process. */
  release(): void;
}

export function holdBack(host: Host): HeldBack {
  const held = holdBackText(host.stderr);
  const { args, environment, version, clock, random, machine, stdout } = host;
  return {
    host: {
      args,
      environment,
      version,
      clock,
      random,
      machine,
      stdout,
      stderr: held.stderr,
      readStdin: () => host.readStdin(),
      onStopSignal: (listener) => host.onStopSignal(listener),
      onUncaught: (listener) => host.onUncaught(listener),
      exit: (code) => {
        held.release();
        return host.exit(code);
      },
    },
    release: held.release,
  };
}

function holdBackText(stderr: Host["stderr"]): { stderr: Host["stderr"]; release(): void } {
  let lines: string[] = [];
  let length = 0, dropped = 0;
  return {
    stderr: {
      isTerminal: () => false,
      columns: () => stderr.columns(),
      write: (text) => {
        lines.push(text);
        length += text.length;
        while (length > MAX_CHARACTERS && lines.length > 1) {
          length -= lines.shift()!.length;
          dropped++;
        }
      },
    },
    release: () => {
      if (dropped > 0) stderr.write(`(${dropped} earlier lines are left out)\n`);
      stderr.write(lines.join(""));
      lines = [];
      length = 0;
    },
  };
}
