// deno-lint-ignore-file no-console -- what it is for
/**
 * `deno task sim [--seeds N | --minutes M] [--seed S] [--world NAME]`: worlds, seed by seed, on all cores. Prints each
 * seed that breaks an invariant, and which faults struck in which states; exits with 1 when there was any.
 *
 * The seeds begin at the one that `--seed` names; with it alone, only that one runs. Without, they begin at what the last
 * commit makes of it, so that each commit tries others.
 */
import { parseArgs } from "@std/cli";
import { Coverage } from "./profile.ts";
import type { WorkerAnswer, WorkerOrder } from "./worker.ts";
import { WORLDS } from "./worlds.ts";

const flags = parseArgs(Deno.args, { string: ["seeds", "minutes", "seed", "world"] });
const names = flags.world === undefined ? Object.keys(WORLDS) : [String(flags.world)];
const unknown = names.find((name) => WORLDS[name] === undefined);
if (unknown !== undefined) {
  console.error(
    `there is no world ${unknown}: ${Object.entries(WORLDS).map(([n, { doc }]) => `${n} (${doc})`).join(", ")}`,
  );
  Deno.exit(2);
}
const first = Number(flags.seed ?? await seedOfCommit());
const minutes = Number(flags.minutes ?? Infinity);
const count = Number(flags.seeds ?? (flags.minutes !== undefined ? Infinity : flags.seed !== undefined ? 1 : 50));

/** Different for each commit, the same for all who have it. */
async function seedOfCommit(): Promise<number> {
  const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short=6", "HEAD"] }).output();
  return parseInt(new TextDecoder().decode(stdout), 16) || 1;
}

const startMs = performance.now();
const coverage = new Coverage();
let next = 0, worlds = 0, failures = 0;

function nextOrder(): WorkerOrder | null {
  const seed = first + Math.floor(next / names.length);
  if (seed >= first + count || performance.now() - startMs > minutes * 60_000) return null;
  return { world: names[next++ % names.length], seed };
}

async function work(): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  for (let order = nextOrder(); order !== null; order = nextOrder()) {
    const answered = Promise.withResolvers<WorkerAnswer>();
    worker.onmessage = ({ data }) => answered.resolve(data);
    worker.postMessage(order);
    const { error, counts } = await answered.promise;
    worlds++;
    coverage.merge(counts);
    if (error === null) continue;
    failures++;
    console.log(`${order.world} ${order.seed}: ${error}`);
    console.log(`  again: deno task sim --world ${order.world} --seed ${order.seed}`);
  }
  worker.terminate();
}

await Promise.all(Array.from({ length: Math.min(navigator.hardwareConcurrency, 8) }, work));
console.log(coverage.report());
const seconds = (performance.now() - startMs) / 1000;
console.log(`${worlds} worlds, seeds from ${first} on, in ${seconds.toFixed(0)} s: ${failures} broke an invariant`);
Deno.exit(failures > 0 ? 1 : 0);
