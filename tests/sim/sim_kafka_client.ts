import { withAbort } from "../../src/runtime/abort.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { FatalError, RetriableError } from "../../src/runtime/errors.ts";
import type { Random } from "../../src/runtime/random.ts";
import type { KafkaClient, Lane, SendOptions } from "../../src/source/kafka/network/client.ts";
import { type ApiRequest, readAnswer, writeRequest } from "../../src/source/kafka/protocol/api.ts";
import { type ClusterMetadata, metadataRequest } from "../../src/source/kafka/protocol/metadata.ts";
import type { FakeKafka } from "../support/kafka_broker.ts";
import type { FaultRates } from "./faults.ts";

const REQUEST_TIMEOUT_MS = 3000;

/** One process's way to the brokers: bytes as on the wire, over a network that fails as the rates say. */
export class SimKafkaClient implements KafkaClient {
  readonly #cluster: FakeKafka;
  readonly #network: { clock: Clock; random: Random; rates: FaultRates };
  readonly #closed = new AbortController();

  constructor(cluster: FakeKafka, network: { clock: Clock; random: Random; rates: FaultRates }) {
    this.#cluster = cluster;
    this.#network = network;
  }

  async send<T>(nodeId: number, _: Lane, request: ApiRequest<T>, { signal, timeoutMs }: SendOptions): Promise<T> {
    const { clock, random, rates } = this.#network;
    const { name, apiKey, maxVersion } = request;
    const both = AbortSignal.any([signal, this.#closed.signal]);
    const fail = (why: string) => new RetriableError(`${name} at broker ${nodeId} failed: ${why}`);
    const latencyMs = () => random.next() * (random.next() < rates.slow ? 2000 : 10);
    await clock.sleep(latencyMs(), both);
    const broker = this.#cluster.brokers[nodeId - 1];
    if (broker === undefined || !broker.up) throw fail("it is down");
    if (random.next() < rates.error) throw fail("injected failure");
    const timer = new AbortController();
    const late = clock.sleep(timeoutMs ?? REQUEST_TIMEOUT_MS, timer.signal).then(() => {
      throw fail("no answer");
    });
    late.catch(() => {});
    const answering = this.#cluster.handle(
      { nodeId, apiKey, clientId: "sim" },
      maxVersion,
      writeRequest(request, maxVersion),
    );
    try {
      const bytes = await withAbort(Promise.race([answering, late]), both);
      await clock.sleep(latencyMs(), both);
      if (bytes === null || !broker.up || random.next() < rates.lostAnswer) throw fail("the answer was lost");
      return readAnswer(request, maxVersion, bytes);
    } finally {
      timer.abort();
    }
  }

  async sendToAny<T>(request: ApiRequest<T>, options: SendOptions): Promise<T> {
    const { random } = this.#network, { brokers } = this.#cluster;
    const first = Math.floor(random.next() * brokers.length);
    for (let i = 0; i < brokers.length; i++) {
      try {
        return await this.send((first + i) % brokers.length + 1, "control", request, options);
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error;
      }
    }
    throw new RetriableError(`no broker answers ${request.name}`);
  }

  metadata(topics: readonly string[] | null, options: SendOptions): Promise<ClusterMetadata> {
    return this.sendToAny(metadataRequest(topics), options);
  }

  learn(): void {}

  nameOf(nodeId: number): string {
    return `broker ${nodeId}`;
  }

  close(): void {
    this.#closed.abort(new FatalError("closed"));
  }
}
