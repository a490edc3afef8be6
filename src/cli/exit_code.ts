/** What the process says when it ends. Scripts build on these: never change one's meaning. */
export const EXIT = {
  /** Everything that was read is written and committed. */
  done: 0,
  /** Something failed. What was not committed is read again by the next run. */
  failed: 1,
  /** The config or the command line can't be used; nothing was started. */
  usage: 2,
  /** Another run of the same job is under way. */
  locked: 3,
  /** Done, but something is missing or damaged: a part of the range had expired, or an audit found a gap. */
  incomplete: 4,
  /** A bounded job was stopped by a signal before its end. The same command goes on from there. */
  stopped: 5,
  /** A bounded job is done, and records of it could not be decoded; only with --strict. */
  rejected: 6,
  /** SIGINT (128 + 2) or SIGTERM (128 + 15), a second one where a command ends cleanly at the first: ended at once. */
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
  [EXIT.locked, "another run of the same job is under way"],
  [EXIT.incomplete, "done, but a part of the range had expired, or an audit found something missing or damaged"],
  [EXIT.stopped, "a bounded job was stopped before its end; the same command goes on from there"],
  [EXIT.rejected, "a bounded job is done, but records could not be decoded (with --strict)"],
  ["130, 143", "ended at once by a second SIGINT or SIGTERM; what was not committed is read again"],
  [EXIT.outputClosed, "whoever read standard output went away; what it didn't take is not committed"],
];
