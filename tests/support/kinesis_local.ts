/** Starts kinesis-local, on 127.0.0.1 and a port that the system picks; in a process of its own. Arguments: none. */
import net from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** What it is told to listen on, to know its listener without TLS. */
const PLAIN_PORT = 4568;
Deno.env.set("KINESIS_MOCK_PLAIN_PORT", String(PLAIN_PORT));

const listen = net.Server.prototype.listen;
// It would bind every address, and ports that are known beforehand.
net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]) {
  const callback = args.findLast((arg) => typeof arg === "function") as (() => void) | undefined;
  const asked = typeof args[0] === "object" && args[0] !== null ? (args[0] as { port?: number }).port : args[0];
  const plain = Number(asked) === PLAIN_PORT;
  this.once("listening", () => {
    if (plain) Deno.stdout.writeSync(new TextEncoder().encode(`PORT ${(this.address() as net.AddressInfo).port}\n`));
  });
  return (listen as (port: number, host: string, callback?: () => void) => net.Server)
    .call(this, 0, "127.0.0.1", callback);
} as typeof listen;

// It reads its certificate from the directory that it is started in.
Deno.chdir(dirname(fileURLToPath(import.meta.resolve("kinesis-local"))));

await import("kinesis-local");
