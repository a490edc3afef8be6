/** Fields of a log line. Never put a secret here; of records only the beginning of one that can't be decoded, see printable(). */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

/**
 * Structured logs: a constant message plus fields. WARN: something failed and was recovered from. ERROR: somebody
 * must act. `error` is rendered with its causes.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields, error?: unknown): void;
  error(message: string, fields?: LogFields, error?: unknown): void;
}

/** The same log; these fields are in every line. */
export function withFields(log: Logger, always: LogFields): Logger {
  return {
    debug: (message, fields) => log.debug(message, { ...always, ...fields }),
    info: (message, fields) => log.info(message, { ...always, ...fields }),
    warn: (message, fields, error) => log.warn(message, { ...always, ...fields }, error),
    error: (message, fields, error) => log.error(message, { ...always, ...fields }, error),
  };
}

/** Swallows everything. For tests and for commands whose output is the result. */
export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} };
