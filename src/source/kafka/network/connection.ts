/**
 * One connection to one broker, on kafkajs' network layer: its sockets, framing, request queue, throttling and SASL.
 * What goes over it is ours (protocol/). Quirks of kafkajs 2.2.4 that this file works round:
 *
 * * an idle request queue re-arms a timer with a negative delay, for ever: 5 % of a core;
 * * `connect()` never settles when the peer closes in the middle of a handshake: our own timeout;
 * * it copies an answer twice (see FrameAssembler);
 * * `disconnect()` waits for requests that will never be answered: we reject them and destroy the socket instead.
 */
import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";
import KafkajsConnection from "kafkajs/src/network/connection.js";
import { FatalError, messageOf, RetriableError } from "../../../runtime/errors.ts";
import { releaseIfAlone } from "../../../runtime/release.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { connectError, hangUpAdvice } from "./connect_error.ts";
import { FrameAssembler } from "./frame_assembler.ts";
import { ApiKey, type ApiRequest, readAnswer, writeRequest } from "../protocol/api.ts";
import { errorName } from "../protocol/errors.ts";
import type { SaslSettings } from "./sasl.ts";
import { withTimeout } from "./timeout.ts";
import { describeCertificate } from "./tls.ts";

/** Where and how to connect. */
export interface ConnectionSettings {
  readonly clientId: string;
  readonly connectionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Options of node:tls's connect; null for plain text. Read anew for each connection, so that files can be rotated. */
  tls(): Promise<tls.ConnectionOptions | null>;
  /** Null for none. */
  readonly sasl: SaslSettings | null;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

interface KafkajsRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: {
    decode(payload: Uint8Array): Promise<unknown>;
    parse(decoded: unknown): Promise<unknown>;
  };
  readonly requestTimeout: number;
  readonly logResponseError: false;
}

/** What we use of kafkajs' Connection (src/network/connection.js). */
interface Connection {
  connectionStatus: string;
  readonly socket: net.Socket | undefined;
  readonly requestQueue: {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
    rejectAll(error: Error): void;
    destroy(): void;
  };
  /** What of the answers hasn't been looked at. */
  chunks: Uint8Array[];
  bytesBuffered: number;
  processData(data: Uint8Array): void;
  connect(): Promise<unknown>;
  authenticate(): Promise<void>;
  setVersions(versions: Record<number, VersionRange>): void;
  setSupportAuthenticationProtocol(supported: boolean): void;
  send(request: KafkajsRequest): Promise<unknown>;
}

const NewConnection = KafkajsConnection as unknown as new (options: Record<string, unknown>) => Connection;

/** kafkajs says everything twice, once in its errors: those are enough. */
const mutedLogger = { namespace: () => mutedLogger, debug() {}, info() {}, warn() {}, error() {} };

function createSocket(
  { host, port, ssl, onConnect }: HostPort & { ssl: tls.ConnectionOptions | null; onConnect(): void },
) {
  const socket = ssl !== null ? tls.connect({ host, port, ...ssl }, onConnect) : net.connect({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 60_000);
  return socket;
}

function apiVersionsRequest(): ApiRequest<{ errorCode: number; versions: Record<number, VersionRange> }> {
  return {
    name: "ApiVersions",
    apiKey: ApiKey.ApiVersions,
    minVersion: 0,
    maxVersion: 0,
    encode() {},
    decode(reader) {
      const errorCode = reader.int16();
      const ranges = reader.array(() =>
        [reader.int16(), { minVersion: reader.int16(), maxVersion: reader.int16() }] as const
      );
      return { errorCode, versions: Object.fromEntries(ranges) };
    },
  };
}

/** Gives kafkajs one answer at a time, so that it copies none. */
function takeWholeFrames(connection: Connection): void {
  const take = connection.processData.bind(connection);
  const frames = new FrameAssembler((frame) => {
    connection.chunks = [];
    connection.bytesBuffered = 0;
    take(Buffer.from(frame.buffer));
  });
  connection.processData = (data) => {
    try {
      frames.push(data);
      releaseIfAlone(data);
    } catch (error) {
      connection.socket?.destroy(error as Error);
    }
  };
}

export class BrokerConnection {
  readonly broker: string;
  readonly #connection: Connection;
  readonly #runtime: Runtime;
  readonly #requestTimeoutMs: number;
  #versions: Record<number, VersionRange> = {};
  /** Whether it has answered anything that not everyone may ask. */
  #proven = false;

  private constructor(connection: Connection, broker: string, { runtime, requestTimeoutMs }: {
    runtime: Runtime;
    requestTimeoutMs: number;
  }) {
    this.broker = broker;
    this.#connection = connection;
    this.#runtime = runtime;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  /**
   * Connects, asks what the broker can, and logs in.
   *
   * @throws RetriableError when the broker can't be reached; FatalError when it or we refuse the other.
   */
  static async open(
    { host, port }: HostPort,
    settings: ConnectionSettings,
    runtime: Runtime,
  ): Promise<BrokerConnection> {
    const broker = `${host}:${port}`;
    const options = await settings.tls();
    const ssl = options === null ? null : { ...(net.isIP(host) === 0 && { servername: host }), ...options };
    const connection = new NewConnection({
      host,
      port,
      logger: mutedLogger,
      socketFactory: createSocket,
      clientId: settings.clientId,
      ssl,
      sasl: settings.sasl,
      requestTimeout: settings.requestTimeoutMs,
      connectionTimeout: settings.connectionTimeoutMs,
    });
    const { requestQueue } = connection;
    const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
    requestQueue.scheduleCheckPendingRequests = () => {
      if (requestQueue.pending.length > 0) schedule();
    };
    takeWholeFrames(connection);
    const opened = new BrokerConnection(connection, broker, { runtime, requestTimeoutMs: settings.requestTimeoutMs });
    try {
      const timeout = {
        timeoutMs: settings.connectionTimeoutMs + 100,
        what: `connection to broker ${broker}`,
        runtime,
      };
      await withTimeout(connection.connect(), timeout);
      await opened.#greet();
      await withTimeout(connection.authenticate(), { ...timeout, timeoutMs: 2 * settings.requestTimeoutMs });
      return opened;
    } catch (error) {
      opened.close();
      const untrusted = ssl !== null &&
        /unable to verify|invalid peer certificate|self.signed|issuer/i.test((error as Error).message);
      const certificate = untrusted
        ? await describeCertificate({ host, port }, ssl, { timeoutMs: settings.connectionTimeoutMs, runtime })
        : "";
      throw connectError(broker, error, { sasl: settings.sasl, certificate });
    }
  }

  async #greet(): Promise<void> {
    const { errorCode, versions } = await this.#exchange(apiVersionsRequest(), 0, this.#requestTimeoutMs);
    if (errorCode !== 0) {
      throw new FatalError(`Broker ${this.broker} is too old: ApiVersions failed with ${errorName(errorCode)}`);
    }
    this.#versions = versions;
    this.#connection.setVersions(versions);
    this.#connection.setSupportAuthenticationProtocol(versions[ApiKey.SaslAuthenticate] !== undefined);
  }

  get alive(): boolean {
    return this.#connection.connectionStatus === "connected";
  }

  /**
   * The newest version that both sides speak.
   *
   * @throws FatalError when there is none.
   */
  versionOf({ name, apiKey, minVersion, maxVersion }: ApiRequest<unknown>): number {
    const theirs = this.#versions[apiKey];
    const version = Math.min(maxVersion, theirs?.maxVersion ?? -1);
    if (theirs === undefined || version < Math.max(minVersion, theirs.minVersion)) {
      const range = theirs === undefined ? "nothing" : `${theirs.minVersion} to ${theirs.maxVersion}`;
      throw new FatalError(
        `Broker ${this.broker} speaks ${range} of ${name}, we speak ${minVersion} to ${maxVersion}: ` +
          `Apache Kafka 2.1 or later is needed`,
      );
    }
    return version;
  }

  /** @throws RetriableError when no answer came; the connection is closed then. */
  async send<T>(request: ApiRequest<T>, timeoutMs = this.#requestTimeoutMs): Promise<T> {
    const version = this.versionOf(request);
    try {
      const answer = await this.#exchange(request, version, timeoutMs);
      this.#proven = true;
      return answer;
    } catch (error) {
      // After a lost or unreadable answer nothing on this connection can be trusted.
      this.close();
      // Also when it refused us at a later login (KIP-368): the next connection says whether that is final.
      const text = messageOf(error);
      const advice = this.#proven ? "" : hangUpAdvice(text);
      throw new RetriableError(`${request.name} at broker ${this.broker} failed: ${text}${advice}`, { cause: error });
    }
  }

  async #exchange<T>(request: ApiRequest<T>, version: number, timeoutMs: number): Promise<T> {
    const answer = this.#connection.send({
      request: {
        apiKey: request.apiKey,
        apiVersion: version,
        apiName: request.name,
        encode() {
          const { buffer, byteOffset, byteLength } = writeRequest(request, version);
          const encoded = Buffer.from(buffer, byteOffset, byteLength);
          return Promise.resolve({ buf: encoded, buffer: encoded });
        },
      },
      response: {
        // A rejected promise, not a throw, for truncated answers; hence async.
        // deno-lint-ignore require-await
        async decode(payload) {
          const answer = readAnswer(request, version, payload) as { readonly throttleMs?: number };
          return { answer, clientSideThrottleTime: answer.throttleMs ?? 0 };
        },
        parse: (decoded) => Promise.resolve((decoded as { answer: unknown }).answer),
      },
      requestTimeout: timeoutMs,
      logResponseError: false,
    });
    // kafkajs stops looking at its own timeouts when the connection ends at the wrong moment, knows none shorter than
    // the usual one, and counts the time that a throttled request waits on our side.
    const outerMs = timeoutMs < this.#requestTimeoutMs ? timeoutMs : 2 * timeoutMs + 1000;
    const what = `${request.name} at broker ${this.broker}`;
    return await withTimeout(answer, { timeoutMs: outerMs, what, runtime: this.#runtime }) as T;
  }

  /** Rejects what is under way. Twice is safe. */
  close(): void {
    const { requestQueue, socket } = this.#connection;
    requestQueue.rejectAll(new Error("connection closed"));
    requestQueue.destroy();
    this.#connection.connectionStatus = "disconnected";
    socket?.removeAllListeners("end");
    socket?.removeAllListeners("data");
    socket?.on("error", () => {}); // whatever it says now, nobody is waiting for it
    socket?.destroy();
  }
}
