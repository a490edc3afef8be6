import type { FromWorker, ToWorker } from "./messages.ts";
import type { WorkerConfig } from "./pipeline_worker.ts";
import { batchBuffers, type WorkerPort } from "./port.ts";

/** A pipeline worker in a Web Worker: a thread of its own. */
export class WebWorkerPort implements WorkerPort {
  onMessage: (message: FromWorker) => void = () => {};
  onLost: (error: Error) => void = () => {};
  readonly #worker: Worker;

  constructor(config: WorkerConfig, name: string) {
    this.#worker = new Worker(new URL("./web_worker.ts", import.meta.url), { type: "module", name });
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.onMessage(event.data);
    this.#worker.onmessageerror = () => this.onLost(new Error("a message of a pipeline worker could not be read"));
    this.#worker.onerror = (event: ErrorEvent) => {
      event.preventDefault(); // else the runtime ends the process before anything is logged
      this.onLost(new Error(event.message));
    };
    this.#worker.postMessage(config);
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message, message.type === "batch" ? batchBuffers(message.batch) : []);
  }

  close(): void {
    this.#worker.terminate();
  }
}
