/**
 * What can go wrong, by what the caller does about it. `code` is a closed set, printed in logs and dead letters;
 * the message says where and what to do; the original error is the `cause`.
 */
export class CollectorError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** One thing wrong with the config: where it is, and what to write instead. */
export interface ConfigProblem {
  readonly key: string;
  /** Where the value came from: "collector.properties:12", "--set", "environment COLLECTOR_TARGET"; unset for a missing key. */
  readonly origin?: string;
  readonly message: string;
}

/** The config can't be used. Carries every problem found, not the first one. The process exits with 2. */
export class ConfigError extends CollectorError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    const lines = problems.map((p) => `${p.origin === undefined ? "" : `${p.origin}: `}${p.key}: ${p.message}`);
    super("CONFIG", lines.join("\n"), options);
    this.problems = problems;
  }
}

/** The outside failed in a way that may pass: try again with backoff, hold the source back, move no position. */
export class RetriableError extends CollectorError {
  /** What the server asked us to wait, ms; undefined when it didn't say. */
  readonly retryAfterMs?: number;
  /** True when the server said that it is overloaded: back off further. */
  readonly throttled: boolean;
  /** Set by the innermost retry that has told of it: those around it need not. */
  said = false;

  constructor(message: string, options: ErrorOptions & { retryAfterMs?: number; throttled?: boolean } = {}) {
    super("RETRIABLE", message, options);
    this.retryAfterMs = options.retryAfterMs;
    this.throttled = options.throttled ?? false;
  }
}

/** The outside refused for good (no such bucket, access denied): end with exit code 1; nothing is committed. */
export class FatalError extends CollectorError {
  constructor(message: string, options?: ErrorOptions) {
    super("FATAL", message, options);
  }
}

/** What the command line asks for makes no sense for this source: ends with exit code 2; nothing was begun. */
export class MisuseError extends FatalError {}

/** The split belongs to somebody else now: drop what is in memory for it, commit nothing. */
export class SplitLostError extends CollectorError {
  readonly split: string;

  constructor(split: string, message: string, options?: ErrorOptions) {
    super("SPLIT_LOST", message, options);
    this.split = split;
  }
}

/** A promise of our own code is broken: a bug. Ends the process, since going on could lose data. */
export class InvariantError extends CollectorError {
  constructor(message: string, options?: ErrorOptions) {
    super("INVARIANT", message, options);
  }
}

/** True for the rejection of an aborted wait. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** What was thrown, in words: whatever it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
