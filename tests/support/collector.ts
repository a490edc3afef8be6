import { fileURLToPath } from "node:url";
import { PERMISSIONS } from "../../src/build/build.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

export interface CollectorEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CollectorOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input; a promise for one that comes later. */
  readonly stdin?: string | Promise<string>;
  /** A compiled program to run in place of the source; it gets no environment variables but those named here. */
  readonly program?: string;
  /** What it may have open at a time: ulimit -n. */
  readonly openFiles?: number;
  /** The user and group to run as, when this process may choose. */
  readonly uid?: number;
}

/** Arguments that set keys of the config. */
export function settings(config: Readonly<Record<string, string>>): string[] {
  return Object.entries(config).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
}

/** The collector in a process of its own, with its real permissions. Killed when it goes out of scope. */
export class CollectorProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  /** What was written to standard error so far. */
  stderr = "";
  readonly #logged: Promise<void>;
  #waiters: (() => void)[] = [];
  /** Resolves when the process is gone. */
  readonly status: Promise<Deno.CommandStatus>;

  constructor(args: readonly string[], { cwd, environment = {}, stdin, program, uid, openFiles }: CollectorOptions) {
    const fromSource = ["run", "--quiet", "--config", CONFIG, ...PERMISSIONS, MAIN];
    const command = [program ?? Deno.execPath(), ...program === undefined ? fromSource : [], ...args];
    const limit = `ulimit -S -n ${openFiles} && ulimit -H -n ${openFiles} && exec "$0" "$@"`;
    const [executable, ...rest] = openFiles === undefined ? command : ["sh", "-c", limit, ...command];
    this.#child = new Deno.Command(executable, {
      args: rest,
      cwd,
      env: { NO_COLOR: "1", ...environment },
      clearEnv: program !== undefined,
      ...uid === undefined ? {} : { uid, gid: uid },
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.status = this.#child.status;
    this.#logged = this.#follow();
    if (stdin !== undefined) void this.#feed(stdin);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stdout(): ReadableStream<Uint8Array> {
    return this.#child.stdout;
  }

  /** Does nothing when the process is gone. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Returns when standard error holds the text. @throws when the process ends before. */
  async logs(text: string): Promise<void> {
    let ended = false;
    const end = this.#logged.then(() => ended = true);
    while (!this.stderr.includes(text)) {
      if (ended) throw new Error(`the collector ended before it said "${text}":\n${this.stderr}`);
      await Promise.race([end, new Promise<void>((resolve) => this.#waiters.push(resolve))]);
    }
  }

  /** Waits for what the collector is to bring about. @throws when the process ends before. */
  async until<T>(condition: Promise<T>): Promise<T> {
    const died = this.status.then(async ({ code, signal }) => {
      await this.#logged;
      throw new Error(`the collector ended too early (exit code ${code}, signal ${signal}):\n${this.stderr}`);
    });
    return await Promise.race([condition, died]);
  }

  /** Waits for the end; reads standard output until then. */
  async end(): Promise<CollectorEnd> {
    const [stdout, status] = await Promise.all([new Response(this.#child.stdout).text(), this.#child.status]);
    await this.#logged;
    return { code: status.code, stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    if (!this.#child.stdout.locked) await this.#child.stdout.cancel();
    await this.#child.status;
    await this.#logged;
  }

  async #follow(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.stderr += text;
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const wake of waiters) wake();
    }
  }

  async #feed(text: string | Promise<string>): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(await text));
    await writer.close();
  }
}

/** Runs the program to its end. */
export async function runCollector(args: readonly string[], options: CollectorOptions): Promise<CollectorEnd> {
  await using collector = new CollectorProcess(args, options);
  return await collector.end();
}
