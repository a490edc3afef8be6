import type { Host, StopSignal } from "../../../src/cli/host.ts";
import type { Environment } from "../../../src/config/environment.ts";
import { type Clock, SystemClock } from "../../../src/runtime/clock.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryOutput } from "../../support/memory_output.ts";

/** What a fake process was told to end with. */
export class ExitCalled extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

export interface FakeHostOptions {
  readonly args?: readonly string[];
  readonly environment?: Environment;
  readonly stdin?: string;
  readonly isTerminal?: boolean;
  readonly memoryByteLength?: number | undefined;
  readonly clock?: Clock;
}

/** A process that keeps what is written, gets signals by hand, and throws where a real one would end. */
export class FakeHost implements Host {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly version = "1.2.3";
  readonly clock: Clock;
  readonly random = new SeededRandom(1);
  readonly machine: Host["machine"];
  readonly output = new MemoryOutput(7);
  readonly stdout: Host["stdout"];
  readonly stderr: Host["stderr"];
  errors = "";
  readonly #stdin: string;
  #uncaught: (error: unknown) => void = () => {};
  readonly #listeners: ((signal: StopSignal) => void)[] = [];

  constructor(
    { args = [], environment = {}, stdin = "", isTerminal = false, clock = new SystemClock(), ...machine }:
      FakeHostOptions = {},
  ) {
    this.args = args;
    this.environment = environment;
    this.clock = clock;
    this.#stdin = stdin;
    const memoryByteLength = "memoryByteLength" in machine ? machine.memoryByteLength : 2 ** 32;
    this.machine = { cores: 2, memoryByteLength, usedByteLength: () => 2 ** 26 };
    this.stdout = { write: (bytes) => this.output.write(bytes), isTerminal: () => isTerminal };
    this.stderr = { isTerminal: () => isTerminal, columns: () => 40, write: (text) => void (this.errors += text) };
  }

  readStdin(): Promise<Uint8Array> {
    return Promise.resolve(new TextEncoder().encode(this.#stdin));
  }

  onStopSignal(listener: (signal: StopSignal) => void): void {
    this.#listeners.push(listener);
  }

  onUncaught(listener: (error: unknown) => void): void {
    this.#uncaught = listener;
  }

  exit(code: number): never {
    throw new ExitCalled(code);
  }

  /** Lets an error loose that nobody catches. */
  leave(error: unknown): void {
    this.#uncaught(error);
  }

  /** Delivers a signal. */
  send(signal: StopSignal): void {
    for (const listener of this.#listeners) listener(signal);
  }
}
