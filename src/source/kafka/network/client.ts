/**
 * The cluster, as the rest of the source sees it: send a request to a broker, ask any broker for metadata. Connections
 * are opened when they are needed, one for each broker and lane, and thrown away when they fail; retries are the
 * caller's.
 */
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import { withAbort, withEitherSignal } from "../../../runtime/abort.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { BrokerConnection, type ConnectionSettings, type HostPort } from "./connection.ts";
import type { ApiRequest } from "../protocol/api.ts";
import { type BrokerAddress, type ClusterMetadata, metadataRequest } from "../protocol/metadata.ts";

/**
 * A broker answers the requests of a connection one after the other, so what may wait long (fetches, joins) mustn't
 * share one with what is urgent (heartbeats, commits).
 */
export type Lane = "control" | "group" | "heartbeat" | "commit" | "fetch" | "produce";

export interface SendOptions {
  readonly signal: AbortSignal;
  /** Longer than the usual request timeout, for requests that wait at the broker. */
  readonly timeoutMs?: number;
}

/** What the source needs of a cluster. The simulation replaces it. */
export interface KafkaClient {
  /**
   * Sends to one broker.
   *
   * @throws RetriableError when it can't be reached or doesn't answer, or isn't known (refresh the metadata);
   *   FatalError when it refuses us; the signal's reason.
   */
  send<T>(nodeId: number, lane: Lane, request: ApiRequest<T>, options: SendOptions): Promise<T>;
  /** Sends to whichever broker answers. Errors as with `send`. */
  sendToAny<T>(request: ApiRequest<T>, options: SendOptions): Promise<T>;
  /** Fresh metadata of these topics, or (null) of all. Errors as with `send`; those of topics are in the answer. */
  metadata(topics: readonly string[] | null, options: SendOptions): Promise<ClusterMetadata>;
  /** Makes a broker known that an answer named (a coordinator). */
  learn(broker: BrokerAddress): void;
  /** "host:port" of a broker, for messages. */
  nameOf(nodeId: number): string;
  /** Rejects what is under way and closes all connections. */
  close(): void;
}

/** A login refused after one that worked may be a broker that is still starting: it isn't final at once. */
const MAX_LATER_REFUSALS = 5;

export class KafkajsClient implements KafkaClient {
  readonly #seeds: readonly HostPort[];
  readonly #settings: ConnectionSettings;
  readonly #runtime: Runtime;
  readonly #brokers = new Map<number, HostPort>();
  /** By "host:port lane". */
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  readonly #closed = new AbortController();
  #everConnected = false;
  #refusals = 0;
  #nextSeed: number;

  constructor(seeds: readonly HostPort[], settings: ConnectionSettings, runtime: Runtime) {
    this.#seeds = seeds;
    this.#settings = settings;
    this.#runtime = runtime;
    this.#nextSeed = Math.floor(runtime.random.next() * seeds.length);
  }

  send<T>(nodeId: number, lane: Lane, request: ApiRequest<T>, options: SendOptions): Promise<T> {
    const address = this.#brokers.get(nodeId);
    if (address === undefined) return Promise.reject(new RetriableError(`Broker ${nodeId} is not known yet`));
    return this.#sendTo(address, lane, request, options);
  }

  async sendToAny<T>(request: ApiRequest<T>, options: SendOptions): Promise<T> {
    const failures: string[] = [];
    let last: unknown;
    for (const address of this.#candidates()) {
      try {
        return await this.#sendTo(address, "control", request, options);
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error;
        failures.push(error.message);
        last = error;
      }
    }
    throw new RetriableError(`No broker answers ${request.name}: ${failures.join("; ")}`, { cause: last });
  }

  async metadata(topics: readonly string[] | null, options: SendOptions): Promise<ClusterMetadata> {
    const metadata = await this.sendToAny(metadataRequest(topics), options);
    if (metadata.brokers.length > 0) this.#replaceBrokers(metadata.brokers);
    return metadata;
  }

  learn(broker: BrokerAddress): void {
    this.#brokers.set(broker.nodeId, { host: broker.host, port: broker.port });
  }

  nameOf(nodeId: number): string {
    const address = this.#brokers.get(nodeId);
    return address === undefined ? `broker ${nodeId}` : `${address.host}:${address.port}`;
  }

  close(): void {
    this.#closed.abort(new FatalError("the Kafka client is closed"));
    for (const connection of this.#connections.values()) connection.then((open) => open.close(), () => {});
    this.#connections.clear();
  }

  /** Connected brokers first, then the other known ones, then the configured ones. No address twice. */
  #candidates(): HostPort[] {
    const connected: HostPort[] = [], others: HostPort[] = [];
    for (const address of this.#brokers.values()) {
      (this.#connections.has(`${address.host}:${address.port} control`) ? connected : others).push(address);
    }
    const first = this.#nextSeed++;
    const seeds = this.#seeds.map((_, i) => this.#seeds[(first + i) % this.#seeds.length]);
    const seen = new Set<string>();
    return [...connected, ...others, ...seeds].filter(({ host, port }) => {
      const name = `${host}:${port}`;
      return seen.has(name) ? false : (seen.add(name), true);
    });
  }

  #replaceBrokers(brokers: readonly BrokerAddress[]): void {
    this.#brokers.clear();
    for (const broker of brokers) this.learn(broker);
    const names = new Set([...this.#seeds, ...brokers].map(({ host, port }) => `${host}:${port}`));
    for (const [key, connection] of this.#connections) {
      if (names.has(key.slice(0, key.indexOf(" ")))) continue;
      this.#connections.delete(key);
      connection.then((open) => open.close(), () => {});
    }
  }

  async #sendTo<T>(
    address: HostPort,
    lane: Lane,
    request: ApiRequest<T>,
    { signal, timeoutMs }: SendOptions,
  ): Promise<T> {
    return await withEitherSignal([signal, this.#closed.signal], async (either) => {
      const connection = await withAbort(this.#connect(address, lane), either);
      return await withAbort(connection.send(request, timeoutMs), either);
    });
  }

  async #connect(address: HostPort, lane: Lane): Promise<BrokerConnection> {
    const key = `${address.host}:${address.port} ${lane}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) {
      const open = await existing;
      if (open.alive) return open;
      if (this.#connections.get(key) === existing) this.#connections.delete(key);
      return this.#connect(address, lane);
    }
    const opening = this.#open(address);
    this.#connections.set(key, opening);
    try {
      const open = await opening;
      if (this.#closed.signal.aborted) open.close();
      return open;
    } catch (error) {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
      throw error;
    }
  }

  async #open(address: HostPort): Promise<BrokerConnection> {
    this.#closed.signal.throwIfAborted();
    try {
      const connection = await BrokerConnection.open(address, this.#settings, this.#runtime);
      this.#everConnected = true;
      this.#refusals = 0;
      return connection;
    } catch (error) {
      if (error instanceof FatalError && this.#everConnected && ++this.#refusals < MAX_LATER_REFUSALS) {
        throw new RetriableError(error.message, { cause: error });
      }
      throw error;
    }
  }
}
