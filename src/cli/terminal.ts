import type { Host } from "./host.ts";

const CLEAR_LINE = "\r\x1b[2K";

/** Standard error: log lines and, on a terminal, one line below them that is drawn again and again. */
export class Terminal {
  readonly #stderr: Host["stderr"];
  #status = "";

  constructor(stderr: Host["stderr"]) {
    this.#stderr = stderr;
  }

  /** Whether a status line can be shown. */
  get isTerminal(): boolean {
    return this.#stderr.isTerminal();
  }

  /** Writes whole lines, above the status line. */
  write(lines: string): void {
    this.#stderr.write(this.#status === "" ? lines : `${CLEAR_LINE}${lines}${this.#status}`);
  }

  /** Shows the line, cut to the terminal's width, in place of the one before; "" takes it away. No effect elsewhere. */
  showStatus(line: string): void {
    if (!this.isTerminal || (line === "" && this.#status === "")) return;
    this.#status = line.slice(0, Math.max(1, this.#stderr.columns() - 1));
    this.#stderr.write(`${CLEAR_LINE}${this.#status}`);
  }
}
