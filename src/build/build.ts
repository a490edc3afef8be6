/** What is run by developers only: one executable is made of main.ts, and the generated docs are written. */
import { basename, dirname, join } from "node:path";
import { type Bundle, bundle } from "./bundle.ts";
import { runDeno } from "./command.ts";
import { installSubstitute, lacksRuntime } from "./runtime.ts";
import { bomOf, noticesText, thirdPartiesOf } from "./third_party.ts";

/**
 * All that the compiled program may do. Which hosts, files and variables it needs is for its config to say, so these can't be
 * narrower; starting programs, loading libraries and fetching code stay forbidden, and so does asking for more. The same as in
 * the `start` task of deno.json.
 */
export const PERMISSIONS = [
  "--allow-net", // the brokers, services and endpoints of the config
  "--allow-env", // COLLECTOR_*, RAKAM_*, ${ENV:...}, and the AWS SDK's own
  "--allow-read", // the source's files, the config, the AWS SDK's profiles, the system's limit of memory
  "--allow-write", // the target's files, checkpoints
  "--allow-sys=systemMemoryInfo,statfs,osRelease,homedir,uid,hostname", // memory, disk, AWS SDK, workers' names
  "--no-prompt",
];

/**
 * `--no-code-cache`: else a program writes what it compiled to a file of a known name in the folder for temporary files, where
 * anybody could put one first. It costs 60 ms of the start. `--no-check`: that is `deno task check`.
 */
const COMPILE_FLAGS = ["--no-check", "--no-code-cache", ...PERMISSIONS];
const COMPILE_TIMEOUT_MS = 15 * 60_000;

/** A compiled program. */
export interface Built {
  /** Absolute path of the executable. */
  readonly path: string;
  /** Not to be released: made with a substitute for Deno's runtime, since that could not be downloaded. */
  readonly substitute: boolean;
  /** It lay there already, made of the same code. */
  readonly reused: boolean;
}

/** What `path` was made of, beside it: says whether it still is what the source would give. */
interface BuildRecord {
  readonly key: string;
  readonly substitute: boolean;
}

export interface BuildOptions {
  /** Absolute path of the source tree. */
  readonly root: string;
  /** Absolute path of the executable to make; its folder is made where missing. */
  readonly output: string;
  /** Whether an executable made with a substitute will do when it is up to date; else the download is tried again. */
  readonly reuseSubstitute: boolean;
}

async function recordOf(output: string): Promise<BuildRecord | undefined> {
  try {
    await Deno.stat(output);
    return JSON.parse(await Deno.readTextFile(`${output}.json`)) as BuildRecord;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes the notices and the bill of materials beside the executable. */
async function documentParts(root: string, { directory, files }: Bundle, output: string): Promise<void> {
  const code = await Promise.all(files.map((name) => Deno.readTextFile(join(directory, name))));
  const parties = await thirdPartiesOf(code.join("\n"), root);
  const read = async (name: string) => JSON.parse(await Deno.readTextFile(join(root, name)));
  const product = { version: (await read("deno.json")).version, denoVersion: Deno.version.deno };
  const bom = JSON.stringify(bomOf(parties, (await read("deno.lock")).npm, product), null, 1);
  await replace(`${output}.notices.txt`, (path) => Deno.writeTextFile(path, noticesText(parties, product)));
  await replace(`${output}.cdx.json`, (path) => Deno.writeTextFile(path, `${bom}\n`));
}

/** SHA-256 over all that the executable is made of. */
async function keyOf({ directory, files }: Bundle): Promise<string> {
  const made = [Deno.version.deno, Deno.build.target, Deno.env.get("DENORT_BIN") ?? "", ...COMPILE_FLAGS];
  for (const name of files) made.push(name, await Deno.readTextFile(`${directory}/${name}`));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(made)));
  return new Uint8Array(digest).toHex();
}

async function compile({ directory, main, worker }: Bundle, output: string, runtime?: string): Promise<void> {
  const env = runtime === undefined ? undefined : { DENORT_BIN: runtime };
  const args = ["compile", ...COMPILE_FLAGS, "--include", worker, "--output", output, main];
  await runDeno(args, { cwd: directory, env, timeoutMs: COMPILE_TIMEOUT_MS });
}

/** Compiles with Deno's own runtime, or with the substitute; returns whether it took the substitute. */
async function compileAnyhow(bundled: Bundle, output: string): Promise<boolean> {
  try {
    await compile(bundled, output);
    return false;
  } catch (error) {
    if (!lacksRuntime(error) || Deno.env.has("DENORT_BIN")) throw error;
    const directory = await Deno.makeTempDir({ prefix: "collector-runtime-" });
    try {
      await compile(bundled, output, await installSubstitute(directory, error));
      return true;
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }
}

/** Has `make` write a new file and puts it in the place of `output`, whole: somebody may be using the old one. */
async function replace<T>(output: string, make: (path: string) => Promise<T>): Promise<T> {
  await Deno.mkdir(dirname(output), { recursive: true });
  const directory = await Deno.makeTempDir({ dir: dirname(output) });
  try {
    const made = join(directory, basename(output)); // the program knows itself by this name
    const result = await make(made);
    await Deno.rename(made, output);
    return result;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/**
 * Makes the executable, or finds that it is already what the source gives.
 *
 * @throws {RuntimeUnavailableError} when there is nothing to start the program with.
 * @throws {Error} when it can't be made; what was at `output` stays.
 */
export async function build({ root, output, reuseSubstitute }: BuildOptions): Promise<Built> {
  const directory = await Deno.makeTempDir({ prefix: "collector-bundle-" });
  try {
    const bundled = await bundle(root, directory);
    await documentParts(root, bundled, output);
    const key = await keyOf(bundled);
    const record = await recordOf(output);
    if (record?.key === key && (reuseSubstitute || !record.substitute)) {
      return { path: output, substitute: record.substitute, reused: true };
    }
    const substitute = await replace(output, (made) => compileAnyhow(bundled, made));
    await Deno.writeTextFile(`${output}.json`, JSON.stringify({ key, substitute } satisfies BuildRecord) + "\n");
    return { path: output, substitute, reused: false };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
