import type { FromWorker, ToWorker } from "../../src/pipeline/messages.ts";
import { PipelineWorker, type WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import type { WorkerPort } from "../../src/pipeline/port.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";

/** A line to a real pipeline worker that delays each message, in order, and may lose the worker. */
export class SimPort implements WorkerPort {
  onMessage: (message: FromWorker) => void = () => {};
  onLost: (error: Error) => void = () => {};
  readonly #worker: PipelineWorker;
  readonly #outside: { clock: Clock; random: Random; deathRate: () => number };
  #line: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(config: WorkerConfig, outside: { clock: Clock; random: Random; deathRate: () => number }) {
    this.#outside = outside;
    this.#worker = new PipelineWorker(config, (message) => this.#deliver(() => this.onMessage(message)), outside.clock);
  }

  post(message: ToWorker): void {
    this.#deliver(() => {
      if (this.#outside.random.next() < this.#outside.deathRate()) {
        this.onLost(new Error("injected death of a worker"));
        this.close();
      } else {
        this.#worker.handle(message);
      }
    });
  }

  close(): void {
    this.#closed = true;
  }

  /** Both directions share one line: a worker answers before it looks at the next message. */
  #deliver(action: () => void): void {
    this.#line = this.#line.then(async () => {
      await this.#outside.clock.sleep(this.#outside.random.next() * 5);
      if (!this.#closed) action();
    });
  }
}
