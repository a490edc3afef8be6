import { createPrivateKey } from "node:crypto";
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

/** Decrypted here: a key that node:tls can't read is left out without a word, and the client certificate with it. */
function decrypt(key: string, { sslKey, sslKeyPassword }: KafkaConfig): string {
  const passphrase = sslKeyPassword === undefined ? {} : { passphrase: sslKeyPassword };
  try {
    return createPrivateKey({ key, format: "pem", ...passphrase }).export({ type: "pkcs8", format: "pem" }).toString();
  } catch (cause) {
    const password = kafkaOptions.sslKeyPassword.key;
    const advice = sslKeyPassword === undefined ? `if it is encrypted, set ${password}` : `look at ${password}`;
    throw new FatalError(
      `Cannot use the key in ${sslKey}, which ${kafkaOptions.sslKey.key} names (${
        (cause as Error).message
      }): ${advice}, ` +
        "or write it anew with openssl pkcs8 -topk8",
      { cause },
    );
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
  if (key !== undefined) options.key = decrypt(key, config);
  if (config.sslServerName !== undefined) options.servername = config.sslServerName;
  return options;
}
