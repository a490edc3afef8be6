/** The one entrypoint: the real process, machine and clock go to the command line, and its exit code comes back. */
import denoConfig from "./deno.json" with { type: "json" };
import type { Host, StopSignal } from "./src/cli/host.ts";
import { SystemClock } from "./src/runtime/clock.ts";
import { thisMachine } from "./src/runtime/machine.ts";
import { SystemRandom } from "./src/runtime/random.ts";

const DEFAULT_COLUMNS = 80;
/** A pipe that is full and doesn't block is tried again this often, then the rest of the text is given up. */
const MAX_FULL_WRITES = 10_000;

function writeStderr(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0, full = 0; offset < bytes.length && full < MAX_FULL_WRITES;) {
    try {
      offset += Deno.stderr.writeSync(bytes.subarray(offset));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) return; // closed: nobody is left to tell
      full++;
    }
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS; // 0 where a terminal doesn't know
  } catch {
    return DEFAULT_COLUMNS;
  }
}

const early: StopSignal[] = [];
let hear = (signal: StopSignal): void => void early.push(signal);

/** From now on signals are kept for whoever listens later: no other code of ours is loaded yet. */
function keepStopSignals(): void {
  const signals: StopSignal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, () => hear(signal));
}

function onStopSignal(listener: (signal: StopSignal) => void): void {
  hear = listener;
  for (const signal of early.splice(0)) listener(signal);
}

function onUncaught(listener: (error: unknown) => void): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    listener(event.error ?? event.message);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    listener(event.reason);
  });
}

const host: Host = {
  args: Deno.args,
  environment: Deno.env.toObject(),
  version: denoConfig.version,
  clock: new SystemClock(),
  random: new SystemRandom(),
  machine: thisMachine(),
  stdout: Deno.stdout,
  stderr: {
    isTerminal: () => Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb",
    columns,
    write: writeStderr,
  },
  readStdin: async () => new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer()),
  onStopSignal,
  onUncaught,
  exit: (code) => Deno.exit(code),
};

if (import.meta.main) {
  keepStopSignals();
  const { main } = await import("./src/cli/main.ts");
  Deno.exit(await main(host));
}
