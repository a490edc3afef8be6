/** `deno task sim:canaries [NAME...]`: breaks the build as each canary says, and looks whether its world notices. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CANARIES, type Canary, MAX_SEEDS } from "./canaries.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What a hunt came to. */
export interface Caught {
  readonly seed: number;
  /** The invariant that was broken; null when something else ended the world. */
  readonly invariant: string | null;
  readonly message: string;
}

/** The change of a file's text. @throws Error when the text doesn't stand there exactly once: the canary must be mended. */
export async function broken({ file, from, to }: Canary["changes"][number], root = ROOT): Promise<string> {
  const text = await Deno.readTextFile(join(root, file)), parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
  return parts.join(to);
}

/** Runs seeds of the canary's world in a build of its own until one notices. Null: none did. */
export async function hunt(canary: Canary): Promise<Caught | null> {
  const directory = await Deno.makeTempDir({ prefix: "collector-canary-" });
  try {
    for (const name of ["src", "tests", "deno.json", "deno.lock", "main.ts"]) {
      await run("cp", ["-al", join(ROOT, name), directory]);
    }
    for (const change of canary.changes) {
      const text = await broken(change, directory), path = join(directory, change.file);
      await Deno.remove(path); // of the copy: the file itself has another name still
      await Deno.writeTextFile(path, text);
    }
    const args = ["run", "-A", "--no-check", "--config", "tests/deno.json", "tests/sim/hunt.ts", canary.world];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, String(MAX_SEEDS)],
      cwd: directory,
    }).output();
    const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
    if (!/^(null|\{)/.test(last)) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(last);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(program: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

if (import.meta.main) {
  const names = Deno.args.length > 0 ? Deno.args : Object.keys(CANARIES);
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  let missed = 0;
  for (const name of names) {
    const canary = CANARIES[name];
    const caught = await hunt(canary);
    const isNoticed = caught !== null && (canary.invariants as readonly (string | null)[]).includes(caught.invariant);
    if (!isNoticed) missed++;
    const what = caught === null ? `not in ${MAX_SEEDS} seeds` : `seed ${caught.seed}: ${caught.message.slice(0, 160)}`;
    say(`${isNoticed ? "caught" : "MISSED"}  ${name} (${canary.world}): ${what}`);
  }
  say(`${names.length - missed} of ${names.length} canaries were caught`);
  Deno.exit(missed > 0 ? 1 : 0);
}
