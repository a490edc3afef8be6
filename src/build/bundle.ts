/**
 * The program as a folder of few files, for `deno compile`:
 *
 *     deno.json       {}, so that nothing of the project's own config counts
 *     main.js         main.ts and all that it imports
 *     web_worker.js   src/pipeline/web_worker.ts and all that it imports
 *     web_worker.ts   imports web_worker.js: main.js asks for it under the name that it has in the source
 *
 * Compiling the source itself would embed every package that the lock file knows, the tests' ones too. The bundles aren't
 * minified: kafkajs and the AWS SDK tell errors by their classes' names, and a stack trace stays readable; it would save 1.5%.
 */

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

/** What is bundled, by the name of the result. */
const ENTRIES = { "main.js": "main.ts", "web_worker.js": "src/pipeline/web_worker.ts" };
const WORKER = "web_worker.ts";
const BUNDLE_TIMEOUT_MS = 5 * 60_000;

/** The files that bundled code loads beside itself: a bundle lies in another folder than the code that it was made of. */
export function filesBeside(code: string): string[] {
  const names = [...code.matchAll(/new URL\(\s*"([^"]+)",\s*import\.meta\.url\s*\)/g)].map((match) => match[1]);
  return [...new Set(names)];
}

/**
 * Bundles the program of the source tree `root` into `directory`, which exists and is empty.
 *
 * @throws {CommandFailedError} when the source can't be bundled.
 * @throws {Error} when the code loads a file that isn't in the bundle: the compiled program would not find it.
 */
export async function bundle(root: string, directory: string): Promise<Bundle> {
  for (const [name, source] of Object.entries(ENTRIES)) {
    const args = ["bundle", "--platform", "deno", "--output", `${directory}/${name}`, source];
    await runDeno(args, { cwd: root, timeoutMs: BUNDLE_TIMEOUT_MS });
  }
  await Deno.writeTextFile(`${directory}/${WORKER}`, `import "./web_worker.js";\n`);
  await Deno.writeTextFile(`${directory}/deno.json`, "{}\n");
  for (const name of Object.keys(ENTRIES)) {
    const missing = filesBeside(await Deno.readTextFile(`${directory}/${name}`)).find((file) => file !== `./${WORKER}`);
    if (missing !== undefined) {
      throw new Error(
        `Cannot bundle ${name}: its code loads ${missing}, which ENTRIES in src/build/bundle.ts doesn't hold`,
      );
    }
  }
  return { directory, main: "main.js", worker: WORKER, files: [...Object.keys(ENTRIES), WORKER] };
}
