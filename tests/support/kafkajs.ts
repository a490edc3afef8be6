/**
 * kafkajs, without its idle request queues' timers: each is re-armed with a negative delay for ever, of which Node's timers
 * warn on standard error.
 */
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

interface Queue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const queues = (RequestQueue as unknown as { prototype: Queue }).prototype;
const schedule = queues.scheduleCheckPendingRequests;
queues.scheduleCheckPendingRequests = function (this: Queue) {
  if (this.pending.length > 0) schedule.call(this);
};

export * from "kafkajs";
