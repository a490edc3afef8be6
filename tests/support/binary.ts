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
