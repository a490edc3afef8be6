import type { Clock } from "../runtime/clock.ts";
import { isAbort } from "../runtime/errors.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { PipelineWorker, type WorkerConfig } from "./pipeline_worker.ts";
import type { WorkerPort } from "./port.ts";

/** I/O gets its turn when messages have kept the isolate busy for this long. */
const TURN_MS = 50;

/** A pipeline worker in the loop's own isolate. */
export class InlinePort implements WorkerPort {
  onMessage: (message: FromWorker) => void = () => {};
  onLost: (error: Error) => void = () => {};
  readonly #worker: PipelineWorker;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #queue: ToWorker[] = [];
  #running = false;

  constructor(config: WorkerConfig, clock: Clock) {
    this.#worker = new PipelineWorker(config, (message) => this.onMessage(message), clock);
    this.#clock = clock;
  }

  post(message: ToWorker): void {
    this.#queue.push(message);
    if (this.#running) return;
    this.#running = true;
    this.#run().catch((error) => {
      if (!isAbort(error)) this.onLost(error instanceof Error ? error : new Error(String(error)));
    });
  }

  close(): void {
    this.#closed.abort();
    this.#queue.length = 0;
  }

  async #run(): Promise<void> {
    let turnEndMs = -Infinity;
    while (this.#queue.length > 0) {
      if (this.#clock.monotonicMs() >= turnEndMs) {
        await this.#clock.sleep(0, this.#closed.signal);
        turnEndMs = this.#clock.monotonicMs() + TURN_MS;
      }
      const message = this.#queue.shift();
      if (message !== undefined) this.#worker.handle(message);
    }
    this.#running = false;
  }
}
