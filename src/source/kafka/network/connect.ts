import type { Runtime } from "../../../runtime/runtime.ts";
import { type KafkaClient, KafkajsClient } from "./client.ts";
import type { HostPort } from "./connection.ts";
import type { KafkaConfig } from "../options.ts";
import { saslSettings } from "./sasl.ts";
import { tlsOptions } from "./tls.ts";

const DEFAULT_PORT = 9092;

/** "host", "host:port" or "[::1]:port". The text was checked when the config was read. */
export function parseNode(node: string): HostPort {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(node)!;
  const host = match[1].startsWith("[") ? match[1].slice(1, -1) : match[1];
  return { host, port: match[2] === undefined ? DEFAULT_PORT : Number(match[2]) };
}

/** A client for the cluster of the config; nothing is connected yet. */
export function connectKafka(config: KafkaConfig, runtime: Runtime): KafkaClient {
  return new KafkajsClient(config.nodes.map(parseNode), {
    clientId: config.clientId,
    connectionTimeoutMs: config.connectionTimeoutMs,
    requestTimeoutMs: config.requestTimeoutMs,
    tls: () => tlsOptions(config, runtime),
    sasl: saslSettings(config, runtime),
  }, runtime);
}
