/**
 * The program as a folder of a few dozen files, for `deno compile`:
 *
 *     deno.json                   {}, so that nothing of the project's own config counts
 *     main.js                     main.ts and what it needs at once
 *     src/pipeline/web_worker.js  a worker's code
 *     <name>-<hash>.js            what several of them need, or what is imported when it is needed
 *     web_worker.ts               imports the worker's code: asked for by this name, as in the source
 *
 * Compiling the source itself would embed every package that the lock file knows, the tests' ones too. Split up, a start reads
 * only what it needs: `--version` takes half the time that it takes with one file. The files aren't minified: kafkajs and the
 * AWS SDK tell errors by their classes' names, and a stack trace stays readable; it would save 1.5% of the size.
 */

import { dirname, join } from "node:path";
import { runDeno } from "./command.ts";

/** A folder made by `bundle`. */
export interface Bundle {
  /** Absolute path of the folder; whoever called `bundle` removes it. */
  readonly directory: string;
  /** The file in it to begin with. */
  readonly main: string;
  /** The module in it that `main` starts workers with. */
  readonly worker: string;
  /** All that the program is made of, the two included. */
  readonly files: readonly string[];
}

const ENTRIES = ["main.ts", "src/pipeline/web_worker.ts"];
const WORKER = "web_worker.ts";
const BUNDLE_TIMEOUT_MS = 5 * 60_000;

/** The files that bundled code loads beside itself: a bundle lies in another folder than the code that it was made of. */
export function filesBeside(code: string): string[] {
  const names = [...code.matchAll(/new URL\(\s*"([^"]+)",\s*import\.meta\.url\s*\)/g)].map((match) => match[1]);
  return [...new Set(names)];
}

/** Paths of the files below a folder, sorted. */
function filesBelow(directory: string, prefix = ""): string[] {
  const entries = Array.from(Deno.readDirSync(join(directory, prefix)));
  return entries.flatMap(({ name, isDirectory }) => {
    return isDirectory ? filesBelow(directory, `${prefix}${name}/`) : [prefix + name];
  }).sort();
}

/**
 * Bundles the program of the source tree `root` into `directory`, which exists and is empty.
 *
 * @throws {CommandFailedError} when the source can't be bundled.
 * @throws {Error} when the code loads a file that isn't in the bundle: the compiled program would not find it.
 */
export async function bundle(root: string, directory: string): Promise<Bundle> {
  const args = ["bundle", "--frozen", "--platform", "deno", "--code-splitting", "--outdir", directory, ...ENTRIES];
  await runDeno(args, { cwd: root, timeoutMs: BUNDLE_TIMEOUT_MS });
  await Deno.writeTextFile(join(directory, WORKER), `import "./src/pipeline/web_worker.js";\n`);
  await Deno.writeTextFile(join(directory, "deno.json"), "{}\n");
  const files = filesBelow(directory);
  for (const name of files) {
    for (const beside of filesBeside(await Deno.readTextFile(join(directory, name)))) {
      const path = join(dirname(name), beside);
      if (!files.includes(path)) {
        throw new Error(`Cannot bundle ${name}: its code loads ${path}, which isn't in the bundle`);
      }
    }
  }
  return { directory, main: "main.js", worker: WORKER, files };
}
