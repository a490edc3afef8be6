import type { Host } from "./host.ts";

/** The most that is kept: the last lines count when something went wrong. */
const MAX_CHARACTERS = 256 << 10;

/** Standard error that says nothing until it turns out that somebody needs to know. */
export interface HeldBack {
  readonly stderr: Host["stderr"];
  /** Writes what was held back. */
  release(): void;
}

export function holdBack(stderr: Host["stderr"]): HeldBack {
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
