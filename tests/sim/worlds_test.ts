import { Coverage } from "./profile.ts";
import { WORLDS } from "./worlds.ts";

/** Seeds that found a fault once, beside the first few. */
const KEPT: Readonly<Record<string, readonly number[]>> = {};

for (const [name, world] of Object.entries(WORLDS)) {
  Deno.test(`the world of ${name} holds its invariants`, async () => {
    for (const seed of [0, 1, 2, 3, 4, ...KEPT[name] ?? []]) {
      try {
        await world.run(seed, new Coverage());
      } catch (cause) {
        const message = `deno task sim --world ${name} --seed ${seed} runs it again: ${(cause as Error).message}`;
        throw new Error(message, { cause });
      }
    }
  });
}
