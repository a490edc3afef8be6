/** `deno task compile`: makes dist/collector, and says how large it is and how fast it starts. */

import { messageOf } from "../runtime/errors.ts";
import { fileURLToPath } from "node:url";
import { SystemClock } from "../runtime/clock.ts";
import { build } from "./build.ts";
import { SUBSTITUTE_NOTICE } from "./runtime.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const STARTS = 7;

/** Median of several starts, process to exit, ms. */
async function startMs(path: string): Promise<number> {
  const clock = new SystemClock();
  const taken: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const begin = clock.monotonicMs();
    const { success } = await new Deno.Command(path, { args: ["--version"], stdout: "null", stderr: "inherit" })
      .output();
    if (!success) throw new Error(`${path} --version failed`);
    taken.push(clock.monotonicMs() - begin);
  }
  return taken.sort((a, b) => a - b)[STARTS >> 1];
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}

async function main(): Promise<void> {
  const { path, substitute, reused } = await build({
    root: ROOT,
    output: `${ROOT}dist/collector`,
    reuseSubstitute: false,
  });
  const { size } = await Deno.stat(path);
  const start = await startMs(path);
  const line = "*".repeat(100);
  if (substitute) say([line, ...SUBSTITUTE_NOTICE.map((text) => `*  ${text}`), line].join("\n"));
  const megabytes = (size / 1e6).toFixed(1);
  say(`${path}${reused ? " is up to date" : ""}: ${megabytes} MB, starts in ${start.toFixed(0)} ms`);
}

try {
  await main();
} catch (error) {
  say(messageOf(error));
  Deno.exit(1);
}
