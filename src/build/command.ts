/** A child process that could not do its work. */
export class CommandFailedError extends Error {
  /** What the process wrote to standard error, without colours. */
  readonly stderr: string;

  constructor(what: string, code: number, stderr: string) {
    super(`${what} failed with exit code ${code}:\n${stderr.trimEnd()}`);
    this.name = "CommandFailedError";
    this.stderr = stderr;
  }
}

export interface DenoOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** After this the process is ended: no step of a build may wait for ever. */
  readonly timeoutMs: number;
}

/**
 * Runs this very Deno with `args`; what it wrote to standard output, when it has ended.
 *
 * @throws {CommandFailedError} when it ends with another code than 0, or is ended after `timeoutMs`.
 */
export async function runDeno(args: readonly string[], options: DenoOptions): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: options.cwd,
    env: { ...options.env, NO_COLOR: "1", RUST_BACKTRACE: "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(options.timeoutMs),
  }).output();
  if (code !== 0) throw new CommandFailedError(`deno ${args[0]}`, code, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
