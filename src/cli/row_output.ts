import type { OutputStream } from "../target/target.ts";
import type { Host } from "./host.ts";
import type { Terminal } from "./terminal.ts";

/** Standard output for targets: sees when its reader goes away, and keeps rows and the status line apart. */
export class RowOutput implements OutputStream {
  readonly #stdout: Host["stdout"];
  readonly #terminal: Terminal;
  /** Whether the reader went away. */
  isClosed = false;

  constructor(stdout: Host["stdout"], terminal: Terminal) {
    this.#stdout = stdout;
    this.#terminal = terminal;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#stdout.isTerminal()) this.#terminal.showStatus("");
    try {
      return await this.#stdout.write(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) this.isClosed = true;
      throw error;
    }
  }
}
