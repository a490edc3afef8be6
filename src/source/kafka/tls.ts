import type { ConnectionOptions } from "node:tls";
import { FatalError } from "../../runtime/errors.ts";
import { type KafkaConfig, kafkaOptions } from "./options.ts";

async function read(path: string | undefined, key: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new FatalError(`Cannot read ${path}, which ${key} names: ${(cause as Error).message}`, { cause });
  }
}

/** node:tls's options, the files read anew; null when the connections are plain. @throws FatalError */
export async function tlsOptions(config: KafkaConfig): Promise<ConnectionOptions | null> {
  if (!config.securityProtocol.endsWith("SSL")) return null;
  const [ca, cert, key] = await Promise.all([
    read(config.sslCa, kafkaOptions.sslCa.key),
    read(config.sslCertificate, kafkaOptions.sslCertificate.key),
    read(config.sslKey, kafkaOptions.sslKey.key),
  ]);
  const options: ConnectionOptions = {};
  if (ca !== undefined) options.ca = ca;
  if (cert !== undefined) options.cert = cert;
  if (key !== undefined) options.key = key;
  if (config.sslKeyPassword !== undefined) options.passphrase = config.sslKeyPassword;
  if (config.sslServerName !== undefined) options.servername = config.sslServerName;
  return options;
}
