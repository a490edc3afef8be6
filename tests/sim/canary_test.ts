import { assert } from "@std/assert";
import { CANARIES } from "./canaries.ts";
import { broken, hunt } from "./canary.ts";

/** A few that are caught soon; `deno task sim:canaries` runs all. */
const SOME = [
  "a put counts as stored after its sixth failure",
  "a failed rename of a stored file is swallowed",
  "the data of a stored file isn't synced",
];

Deno.test("every canary still fits the code that it breaks", async () => {
  for (const { changes } of Object.values(CANARIES)) for (const change of changes) await broken(change);
});

for (const name of SOME) {
  Deno.test(`the simulation notices when ${name}`, async () => {
    const caught = await hunt(CANARIES[name]);
    assert(caught !== null, "no seed noticed it");
    assert((CANARIES[name].invariants as readonly (string | null)[]).includes(caught.invariant), caught.message);
  });
}
