/**
 * Where log lines become text, by LogTape. Lines are written before the call returns: what was logged last is what
 * explains an end, and must not be lost in it.
 *
 *     json    {"@timestamp":"2026-11-23T02:46:06.368Z","level":"WARN","message":"...","logger":"collector","split":"events/0"}
 *     pretty  02:46:06.368 WARN  split lost before its commit  split=events/0
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
import type { LogFields, Logger } from "./log.ts";

export interface LogOutputOptions {
  /** The least important lines to print. */
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "pretty";
  /** Whether pretty lines may have colours. */
  readonly colors: boolean;
  /** Takes a line with its line end; writes it before it returns. */
  readonly write: (line: string) => void;
  /** Hides what must not be printed; applied to each text field and error message. */
  readonly clean: (text: string) => string;
}

const CATEGORY = "collector";
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
  return new TapeAdapter(getLogger(CATEGORY), options.clean);
}

/** Our Logger over LogTape's. */
class TapeAdapter implements Logger {
  readonly #tape: TapeLogger;
  readonly #clean: (text: string) => string;

  constructor(tape: TapeLogger, clean: (text: string) => string) {
    this.#tape = tape;
    this.#clean = clean;
  }

  debug(message: string, fields?: LogFields): void {
    this.#tape.debug(template(message), this.#properties(fields));
  }

  info(message: string, fields?: LogFields): void {
    this.#tape.info(template(message), this.#properties(fields));
  }

  warn(message: string, fields?: LogFields, error?: unknown): void {
    this.#tape.warn(template(message), this.#properties(fields, error));
  }

  error(message: string, fields?: LogFields, error?: unknown): void {
    this.#tape.error(template(message), this.#properties(fields, error));
  }

  #properties(fields: LogFields = {}, error?: unknown): Record<string, unknown> {
    const properties: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      properties[name] = typeof value === "string" ? this.#clean(value) : value;
    }
    if (error !== undefined) properties.error = reportError(error, this.#clean);
    return properties;
  }
}

/** A message is a constant, but braces in it would be taken for LogTape's placeholders. */
function template(message: string): string {
  return message.replaceAll(/[{}]/g, "$&$&");
}

function prettyFormatter({ colors }: LogOutputOptions): (record: LogRecord) => string {
  const paint = (text: string, color: string | undefined) =>
    colors && color !== undefined ? color + text + RESET : text;
  return getTextFormatter({
    timestamp: "time",
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

function formatError(error: ErrorReport | undefined): string {
  if (error === undefined) return "";
  let text = "";
  for (let cause: ErrorReport | undefined = error; cause !== undefined; cause = cause.cause) {
    const code = cause.code === undefined ? "" : ` ${cause.code}`;
    const intro = cause === error ? "" : "caused by ";
    text += `\n    ${intro}${cause.name}${code}: ${escapeControls(cause.message).replaceAll("\n", "\n    ")}`;
    if (cause.stack !== undefined) text += `\n${escapeControls(cause.stack)}`;
  }
  return text;
}
