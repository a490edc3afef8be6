/** Runs the seeds of a world until one breaks an invariant, and prints which: `hunt.ts WORLD COUNT`. */
import { Violation } from "./invariants.ts";
import { Coverage } from "./profile.ts";
import { WORLDS } from "./worlds.ts";

const [name, count] = Deno.args;
let caught: object | null = null;
for (let seed = 0; seed < Number(count) && caught === null; seed++) {
  try {
    await WORLDS[name].run(seed, new Coverage());
  } catch (error) {
    caught = { seed, invariant: error instanceof Violation ? error.invariant : null, message: String(error) };
  }
}
Deno.stdout.writeSync(new TextEncoder().encode(`\n${JSON.stringify(caught)}\n`));
Deno.exit(0);
