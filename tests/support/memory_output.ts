import type { OutputStream } from "../../src/target/target.ts";

/** An output that keeps what is written, takes a bounded number of bytes at a time, and stalls or breaks when told to. */
export class MemoryOutput implements OutputStream {
  readonly #maxByteLength: number;
  readonly #chunks: Uint8Array[] = [];
  #stalled: PromiseWithResolvers<void> | undefined;
  #broken: Error | undefined;
  /** Writes that have been asked for. */
  writes = 0;

  constructor(maxByteLength: number) {
    this.#maxByteLength = maxByteLength;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    await this.#stalled?.promise;
    if (this.#broken !== undefined) throw this.#broken;
    const taken = bytes.slice(0, this.#maxByteLength);
    this.#chunks.push(taken);
    return taken.length;
  }

  /** Takes nothing until the returned function is called. */
  stall(): () => void {
    const stalled = this.#stalled = Promise.withResolvers<void>();
    return () => {
      this.#stalled = undefined;
      stalled.resolve();
    };
  }

  /** Fails from now on. */
  break(error: Error): void {
    this.#broken = error;
  }

  text(): string {
    const decoder = new TextDecoder();
    return this.#chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("");
  }

  rows(): Record<string, unknown>[] {
    return this.text().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }
}
