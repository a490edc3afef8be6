/** Errors as logs show them: message and causes, never the objects that hang on them (requests, responses, headers). */
import { CollectorError, InvariantError } from "./errors.ts";

/** One error and what caused it. */
export interface ErrorReport {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  /** Where it was thrown; only for errors that are bugs, ours or a library's. */
  readonly stack?: string;
  readonly cause?: ErrorReport;
}

/** Causes below this depth are left out: a chain may be a circle. */
const MAX_DEPTH = 8;

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" || typeof code === "number" ? String(code) : undefined;
}

/** The frames of a stack, without the message above them. */
function framesOf(error: Error): string | undefined {
  const start = error.stack?.search(/^\s+at /m) ?? -1;
  return start < 0 ? undefined : error.stack!.slice(start).trimEnd();
}

/**
 * Describes whatever was thrown.
 *
 * @param clean is applied to every message: it hides what must not be printed.
 */
export function reportError(error: unknown, clean: (text: string) => string = (text) => text, depth = 1): ErrorReport {
  if (!(error instanceof Error)) return { name: "Error", message: clean(String(error)) };
  const expected = error instanceof CollectorError && !(error instanceof InvariantError);
  const code = codeOf(error);
  const stack = expected || depth > 1 ? undefined : framesOf(error);
  const inner = error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined);
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    message: clean(error.message),
    ...(stack === undefined ? {} : { stack }),
    ...(inner === undefined || depth >= MAX_DEPTH ? {} : { cause: reportError(inner, clean, depth + 1) }),
  };
}
