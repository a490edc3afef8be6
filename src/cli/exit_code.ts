/** What the process says when it ends. Scripts build on these: never change one's meaning. */
export const EXIT = {
  /** Everything that was read is written and committed. */
  done: 0,
  /** Something failed. What was not committed is read again by the next run. */
  failed: 1,
  /** The config or the command line can't be used; nothing was started. */
  usage: 2,
  /** A second SIGINT (128 + 2) or SIGTERM (128 + 15): ended at once. */
  interrupted: 130,
  terminated: 143,
  /** Whoever read standard output went away (128 + SIGPIPE). What it didn't take is not committed. */
  outputClosed: 141,
} as const;

export type ExitCode = number;

/** The codes for --help, in their order. */
export const EXIT_CODE_DOCS: readonly (readonly [number | string, string])[] = [
  [EXIT.done, "done: everything that was read is written and committed"],
  [EXIT.failed, "failed: what was not committed is read again by the next run"],
  [EXIT.usage, "the config or the command line can't be used; nothing was started"],
  ["130, 143", "ended at once by a second SIGINT or SIGTERM; what was not committed is read again"],
  [EXIT.outputClosed, "whoever read standard output went away; what it didn't take is not committed"],
];
