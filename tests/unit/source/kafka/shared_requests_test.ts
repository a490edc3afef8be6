import { assertEquals, assertRejects } from "@std/assert";
import { silentLog } from "../../../../src/runtime/log.ts";
import { Metrics } from "../../../../src/runtime/metrics.ts";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { withAbort } from "../../../../src/runtime/abort.ts";
import type { KafkaClient, SendOptions } from "../../../../src/source/kafka/network/client.ts";
import { Coordinator } from "../../../../src/source/kafka/group/coordinator.ts";
import { TopicWatch } from "../../../../src/source/kafka/fetch/topic_watch.ts";
import { PatientClock } from "../../../support/patient_clock.ts";

const NEVER = new AbortController().signal;

/** A cluster that answers each question when it is told to, as long as whoever asked still waits. */
function slowCluster(answer: unknown): { client: KafkaClient; answers(): void; asked(): number } {
  const answered = Promise.withResolvers<unknown>();
  let asked = 0;
  const ask = (_: unknown, { signal }: SendOptions) => {
    asked++;
    return withAbort(answered.promise, signal);
  };
  const client = { sendToAny: ask, metadata: ask, learn() {}, nameOf: String } as unknown as KafkaClient;
  return { client, answers: () => answered.resolve(answer), asked: () => asked };
}

Deno.test("a search for the coordinator goes on when the one who began it no longer waits", async () => {
  const broker = { nodeId: 7, host: "h", port: 1, rack: null };
  const { client, answers, asked } = slowCluster({ errorCode: 0, broker });
  const coordinator = new Coordinator(client, "g");
  const first = new AbortController();
  const one = coordinator.find(first.signal), two = coordinator.find(NEVER);
  first.abort(new Error("no longer ours"));
  await assertRejects(() => one, Error, "no longer ours");
  answers();
  assertEquals(await two, 7);
  assertEquals(asked(), 1);
});

Deno.test("metadata is still refreshed when the one who asked for it no longer waits", async () => {
  const partitions = [{ errorCode: 0, partition: 0, leader: 7 }];
  const { client, answers, asked } = slowCluster({
    topics: [{ errorCode: 0, topic: "events", internal: false, partitions }],
  });
  const runtime = { clock: new PatientClock(), random: new SeededRandom(1), log: silentLog, metrics: new Metrics() };
  const topics = new TopicWatch(client, { kind: "names", names: ["events"] }, runtime);
  const first = new AbortController();
  const one = topics.refresh(first.signal), two = topics.refresh(NEVER);
  first.abort(new Error("no longer ours"));
  await assertRejects(() => one, Error, "no longer ours");
  answers();
  await two;
  assertEquals(topics.leaderOf("events", 0), 7);
  assertEquals(asked(), 1);
});
