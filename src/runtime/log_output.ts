/**
 * Where log lines become text, by LogTape. Lines are written before the call returns: what was logged last is what
 * explains an end, and must not be lost in it.
 *
 *     json    {"@timestamp":"2026-11-23T02:46:06.368Z","level":"WARN","message":"...","logger":"collector","split":"events/0"}
 *     pretty  02:46:06.368 WARN  split lost before its commit  split=events/0
 *
 * A pretty line has its date where nobody watches it come. An error is its message and the first of its causes that says more;
 * where it was thrown is for bugs and for log.level=debug.
 */
import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Logger as TapeLogger,
  type LogLevel as TapeLevel,
  type LogRecord,
} from "@logtape/logtape";
import { type ErrorReport, reportError } from "./error_report.ts";
import { InvariantError } from "./errors.ts";
import type { LogFields, Logger } from "./log.ts";

export interface LogOutputOptions {
  /** The least important lines to print. */
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "pretty";
  /** Whether pretty lines begin with the date and the time zone. */
  readonly dates?: boolean;
  /** Whether pretty lines may have colours. */
  readonly colors: boolean;
  /** Takes a line with its line end; writes it before it returns. */
  readonly write: (line: string) => void;
  /** Hides what must not be printed; applied to each text field and error message. */
  readonly clean: (text: string) => string;
}

const CATEGORY = "collector";
/** They say what the collector does about it, which its message says in words. */
const OWN_CODES = new Set(["CONFIG", "RETRIABLE", "FATAL", "SPLIT_LOST", "INVARIANT"]);
const DIM = "\x1b[2m", RESET = "\x1b[0m";
const LEVEL_NAMES: Readonly<Record<TapeLevel, string>> = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
  fatal: "FATAL",
};
const LEVEL_COLORS: Readonly<Partial<Record<TapeLevel, string>>> = { warning: "\x1b[33m", error: "\x1b[31m" };

/** Opens the process' log. There is one: opening another takes its place. */
export function openLog(options: LogOutputOptions): Logger {
  const format = options.format === "json"
    ? getJsonLinesFormatter({ properties: "flatten" })
    : prettyFormatter(options);
  const sink = (record: LogRecord) => options.write(format(record));
  configureSync({
    reset: true,
    sinks: { stderr: sink },
    loggers: [
      { category: CATEGORY, lowestLevel: options.level === "warn" ? "warning" : options.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  return new TapeAdapter(getLogger(CATEGORY), options);
}

/** Our Logger over LogTape's. */
class TapeAdapter implements Logger {
  readonly #tape: TapeLogger;
  readonly #clean: (text: string) => string;
  readonly #debugs: boolean;

  constructor(tape: TapeLogger, { clean, level }: LogOutputOptions) {
    this.#tape = tape;
    this.#clean = clean;
    this.#debugs = level === "debug";
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#debugs) this.#tape.debug(template(message), this.#properties(fields));
  }

  info(message: string, fields?: LogFields): void {
    this.#tape.info(template(message), this.#properties(fields));
  }

  warn(message: string, fields?: LogFields, error?: unknown): void {
    this.#tape.warn(template(message), this.#properties(fields, error, this.#debugs));
  }

  error(message: string, fields?: LogFields, error?: unknown): void {
    this.#tape.error(template(message), this.#properties(fields, error, this.#debugs || isBug(error)));
  }

  #properties(fields: LogFields = {}, error?: unknown, withStack = false): Record<string, unknown> {
    const properties: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      properties[name] = typeof value === "string"
        ? this.#clean(value)
        : typeof value === "bigint" && Number.isSafeInteger(Number(value))
        ? Number(value)
        : value;
    }
    if (error !== undefined) {
      const { stack, ...report } = reportError(error, this.#clean);
      properties.error = withStack && stack !== undefined ? { ...report, stack } : report;
    }
    return properties;
  }
}

/** What our own code or a library did wrong, as opposed to what happens outside. */
function isBug(error: unknown): boolean {
  return error instanceof InvariantError || error instanceof TypeError || error instanceof ReferenceError ||
    error instanceof RangeError;
}

/** A message is a constant, but braces in it would be taken for LogTape's placeholders. */
function template(message: string): string {
  return message.replaceAll(/[{}]/g, "$&$&");
}

function prettyFormatter({ colors, dates = false }: LogOutputOptions): (record: LogRecord) => string {
  const paint = (text: string, color: string | undefined) =>
    colors && color !== undefined ? color + text + RESET : text;
  return getTextFormatter({
    timestamp: dates ? "rfc3339" : "time",
    timeZone: null,
    format: ({ timestamp, message, record }) => {
      const { error, ...fields } = record.properties;
      const level = paint(LEVEL_NAMES[record.level], LEVEL_COLORS[record.level]);
      const texts = Object.entries(fields).map(([name, value]) => `${name}=${quote(value)}`);
      const suffix = texts.length === 0 ? "" : `  ${paint(texts.join(" "), DIM)}`;
      return `${paint(timestamp ?? "", DIM)} ${level} ${message}${suffix}${
        formatError(error as ErrorReport | undefined)
      }`;
    },
  });
}

/** A value as it stands in a pretty line: quoted where it would not be told from its surroundings. */
function quote(value: unknown): string {
  const text = String(value);
  return /^[^\s"\p{Cc}]+$/u.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** A terminal would obey control characters; line ends and tabs may stay. */
function escapeControls(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** In one line, mostly: the message, the first cause that says more, and what the system or the server calls it. */
function formatError(error: ErrorReport | undefined): string {
  if (error === undefined) return "";
  const causes: ErrorReport[] = [];
  for (let cause: ErrorReport | undefined = error; cause !== undefined; cause = cause.cause) causes.push(cause);
  const more = causes.find(({ message }) => !error.message.includes(message));
  const said = more === undefined ? error.message : `${error.message}: ${more.message}`;
  const code = causes.map(({ code }) => code).find((code) =>
    code !== undefined && !OWN_CODES.has(code) && !said.includes(code)
  );
  const text = `${said}${code === undefined ? "" : ` (${code})`}`;
  const stack = error.stack === undefined ? "" : `\n${escapeControls(error.stack)}`;
  return `\n    ${escapeControls(text).replaceAll("\n", "\n    ")}${stack}`;
}
