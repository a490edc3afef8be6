import { FatalError, RetriableError } from "../../runtime/errors.ts";

/** What to do about the errors that trying again can't mend. Everything else (full disk, I/O error, ...) may pass. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: "give this user write access to the directory, or set target.file.directory to one it may write",
  EPERM: "give this user write access to the directory, or set target.file.directory to one it may write",
  EROFS: "the file system is mounted read-only; set target.file.directory to one that can be written",
  ENOTDIR: "a file stands where a directory is needed; move it away or change target.file.directory",
  EISDIR: "a directory stands where the file is to go; move it away or change the key template",
  ENAMETOOLONG: "a part of the name is longer than the file system allows; shorten the key template",
  ELOOP: "there is a loop of symbolic links on the way; remove it",
  EXDEV: "target.file.directory must be on one file system; remove the mount point below it",
};

/** Where reading needs something else. */
const READING_ADVICE: Readonly<Record<string, string>> = {
  EACCES: "give this user read access to the directory",
  EPERM: "give this user read access to the directory",
  ENAMETOOLONG: "no file can have such a name",
};

function codeOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "NOT_CAPABLE";
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  if (error instanceof Deno.errors.PermissionDenied) return "EACCES";
  return "";
}

/**
 * What an error of the file system means for the caller: FatalError when only somebody's action helps, else
 * RetriableError (ENOSPC above all: space may be made while the source is held back). Errors of our own pass through.
 */
export function fileError(action: string, error: unknown, purpose: "writing" | "reading" = "writing"): unknown {
  if (!(error instanceof Error) || error instanceof FatalError || error instanceof RetriableError) return error;
  const code = codeOf(error);
  if (code === "NOT_CAPABLE") {
    return new FatalError(`cannot ${action}: ${error.message}: run with --allow-read and --allow-write for it`, {
      cause: error,
    });
  }
  const advice = (purpose === "reading" ? READING_ADVICE[code] : undefined) ?? ADVICE[code];
  if (advice !== undefined) return new FatalError(`cannot ${action}: ${error.message}: ${advice}`, { cause: error });
  const hint = code === "ENOSPC" || code === "EDQUOT" ? ": make space; nothing is lost meanwhile" : "";
  return new RetriableError(`cannot ${action}: ${error.message}${hint}`, { cause: error });
}
