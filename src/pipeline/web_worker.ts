/** The entry of a pipeline worker: the first message is its config, everything after is for the PipelineWorker. */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { SystemClock } from "../runtime/clock.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { PipelineWorker, type WorkerConfig } from "./pipeline_worker.ts";

let worker: PipelineWorker | undefined;

self.onmessage = (event: MessageEvent<WorkerConfig | ToWorker>) => {
  if (worker !== undefined) return worker.handle(event.data as ToWorker);
  const post = (message: FromWorker, transfer: ArrayBuffer[]) => self.postMessage(message, transfer);
  worker = new PipelineWorker(event.data as WorkerConfig, post, new SystemClock());
};
