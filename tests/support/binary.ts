import { fileURLToPath } from "node:url";
import { build } from "../../src/build/build.ts";
import { RuntimeUnavailableError } from "../../src/build/runtime.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The compiled program's path, compiled now unless it is up to date; undefined, with a word on standard error, where there
 * is no runtime to compile it with.
 */
export async function compiledBinary(): Promise<string | undefined> {
  try {
    return (await build({ root: ROOT, output: `${ROOT}dist/collector`, reuseSubstitute: true })).path;
  } catch (error) {
    if (!(error instanceof RuntimeUnavailableError)) throw error;
    Deno.stderr.writeSync(new TextEncoder().encode(`The compiled program is not tested: ${error.message}\n`));
    return undefined;
  }
}

export interface StartOptions {
  readonly args: readonly string[];
  readonly cwd: string;
  /** Another user and group to run as; needs root. */
  readonly uid?: number;
}

export interface Ending {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stderr: string;
}

/** A compiled program that runs with no environment variables. Killed, if it still runs, when it goes out of scope. */
export class RunningBinary implements AsyncDisposable {
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>;
  readonly #child: Deno.ChildProcess;

  constructor(path: string, { args, cwd, uid }: StartOptions) {
    this.#child = new Deno.Command(path, {
      args: [...args],
      cwd,
      clearEnv: true,
      ...uid === undefined ? {} : { uid, gid: uid },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.ended = this.#child.output().then(({ code, signal, stderr }) => {
      return { code, signal, stderr: new TextDecoder().decode(stderr) };
    });
  }

  /** Does nothing when the process is gone. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for `condition`. @throws {Error} with the process's last words when it ends first. */
  async until<T>(condition: Promise<T>): Promise<T> {
    const died = this.ended.then(({ code, signal, stderr }) => {
      throw new Error(`the collector ended too early (exit code ${code}, signal ${signal}):\n${stderr}`);
    });
    return await Promise.race([condition, died]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.ended;
  }
}
