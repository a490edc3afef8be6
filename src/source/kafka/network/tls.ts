import { createPrivateKey, X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import { FatalError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type KafkaConfig, kafkaOptions } from "../options.ts";
import { withTimeout } from "./timeout.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

async function read(path: string | undefined, key: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new FatalError(`Cannot read ${path}, which ${key} names: ${(cause as Error).message}`, { cause });
  }
}

/** The first one: what isn't PEM is left out by node:tls without a word. */
function firstCertificate(pem: string, path: string, key: string): X509Certificate {
  const cannot = `Cannot use ${path}, which ${key} names:`;
  const text = CERTIFICATE.exec(pem)?.[0];
  if (text === undefined) throw new FatalError(`${cannot} it holds no certificate in PEM form`);
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new FatalError(`${cannot} its certificate is damaged`, { cause });
  }
}

/** Decrypted here: a key that node:tls can't read is left out without a word, and the client certificate with it. */
function decrypt(key: string, { sslKey, sslKeyPassword }: KafkaConfig): ReturnType<typeof createPrivateKey> {
  const passphrase = sslKeyPassword === undefined ? {} : { passphrase: sslKeyPassword };
  try {
    return createPrivateKey({ key, format: "pem", ...passphrase });
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

/** " and is only valid from .. to ..", empty while it is valid. */
function invalidity(from: string, to: string, nowMs: number): string {
  const valid = Date.parse(from) <= nowMs && nowMs <= Date.parse(to);
  return valid ? "" : `, which is only valid from ${from} to ${to}`;
}

/** Our own certificate and key, found fit for use: a broker that refuses them only says "alert". */
function ownCertificate(cert: string, key: string, config: KafkaConfig, nowMs: number): tls.ConnectionOptions {
  const { sslCertificate, sslKey } = config, names = kafkaOptions.sslCertificate.key;
  const certificate = firstCertificate(cert, sslCertificate!, names), privateKey = decrypt(key, config);
  const { subject, validFrom, validTo } = certificate;
  const invalid = invalidity(validFrom, validTo, nowMs);
  if (invalid !== "") throw new FatalError(`${sslCertificate}, which ${names} names, has ${subject}${invalid}`);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new FatalError(
      `The key in ${sslKey}, which ${kafkaOptions.sslKey.key} names, isn't that of ${subject} in ${sslCertificate}`,
    );
  }
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** node:tls's options, the files read anew; null when the connections are plain. @throws FatalError */
export async function tlsOptions(config: KafkaConfig, { clock }: Runtime): Promise<tls.ConnectionOptions | null> {
  if (!config.securityProtocol.endsWith("SSL")) return null;
  const [ca, cert, key] = await Promise.all([
    read(config.sslCa, kafkaOptions.sslCa.key),
    read(config.sslCertificate, kafkaOptions.sslCertificate.key),
    read(config.sslKey, kafkaOptions.sslKey.key),
  ]);
  if (ca !== undefined) firstCertificate(ca, config.sslCa!, kafkaOptions.sslCa.key);
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && ownCertificate(cert, key, config, clock.now())),
    ...(config.sslServerName !== undefined && { servername: config.sslServerName }),
  };
}

/**
 * The certificate of a server that wasn't trusted, for people: node:tls doesn't say why here, not even that it has
 * expired. Nothing is sent, our own certificate neither: who isn't trusted learns nothing. Empty when it can't be had.
 */
export async function describeCertificate(
  { host, port }: { host: string; port: number },
  { cert: _, key: __, ...options }: tls.ConnectionOptions,
  { timeoutMs, runtime }: { timeoutMs: number; runtime: Runtime },
): Promise<string> {
  const socket = tls.connect({ ...options, host, port, rejectUnauthorized: false });
  const seen = new Promise<string>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      const { subject, issuer, valid_from: from, valid_to: to } = socket.getPeerCertificate();
      const invalid = invalidity(from, to, runtime.clock.now());
      resolve(`; it shows a certificate of ${subject?.CN}, signed by ${issuer?.CN}${invalid}`);
    });
  });
  try {
    return await withTimeout(seen, { timeoutMs, what: "the certificate", runtime });
  } catch {
    return "";
  } finally {
    socket.destroy();
  }
}
