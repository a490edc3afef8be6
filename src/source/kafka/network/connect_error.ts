/** Why a connection couldn't be made, in words that an operator can act on. */
import { FatalError, messageOf, RetriableError } from "../../../runtime/errors.ts";
import type { SaslSettings } from "./sasl.ts";

/** How kafkajs and we say that no answer came. */
const LOST = /closed|not connected|timed out|timeout|no answer|connection error/i;

/** The cause that an operator can act on. @returns FatalError when waiting doesn't help. */
export function connectError(
  broker: string,
  error: unknown,
  { sasl, certificate }: { readonly sasl: SaslSettings | null; readonly certificate: string },
): FatalError | RetriableError {
  if (error instanceof FatalError) return error;
  const text = messageOf(error);
  if (error instanceof RetriableError) return new RetriableError(`Cannot connect to broker ${broker}: ${text}`);
  // A broker may be called anything.
  const words = text.replaceAll(broker.slice(0, broker.lastIndexOf(":")), "");
  // kafkajs calls whatever ends a login a refusal.
  if (sasl !== null && /SASL/.test(words) && !LOST.test(words)) {
    const lookAt = /current SASL state/.test(text) ? "kafka.security.protocol: this port has no login" : sasl.lookAt;
    return new FatalError(`Broker ${broker} refused the login (${text}): look at ${lookAt}`, { cause: error });
  }
  if (/certificate|UnknownIssuer|NotValidForName|alert|handshake/i.test(words)) {
    return new FatalError(
      `Broker ${broker} and we don't trust each other (${text}${certificate}): look at kafka.ssl.ca, kafka.ssl.certificate, ` +
        `kafka.ssl.key and kafka.ssl.server.name`,
      { cause: error },
    );
  }
  const reason = text.replace("Connection error: ", "");
  return new RetriableError(`Cannot connect to broker ${broker}: ${reason}${hangUpAdvice(text)}`, { cause: error });
}

/** For who hangs up, or talks nonsense, before anything is answered: it may expect TLS, or none, or a login. */
export function hangUpAdvice(text: string): string {
  return /closed connection|disconnected before|no Kafka broker/i.test(text)
    ? " (if it goes on: kafka.security.protocol may not be what this port has)"
    : "";
}
