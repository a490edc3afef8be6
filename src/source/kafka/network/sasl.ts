/** How to log in to a broker. */
import { Buffer } from "node:buffer";
import type { Runtime } from "../../../runtime/runtime.ts";
import { mskIamTokens } from "./msk_iam.ts";
import { oauthTokens } from "./oauth_token.ts";
import type { KafkaConfig } from "../options.ts";
import { WireReader, WireWriter } from "../protocol/wire.ts";

/** One step of a login: kafkajs sends what `request` gives, and takes what `response` makes of the answer. */
interface SaslStep {
  readonly request: { encode(): Promise<Buffer> };
  readonly response: { decode(bytes: Uint8Array): Promise<string>; parse(text: string): Promise<string> };
}

interface SaslExchange {
  saslAuthenticate(step: SaslStep): Promise<string>;
}

/** What kafkajs' authenticators read (src/broker/saslAuthenticator). */
export interface SaslSettings {
  readonly mechanism: string;
  readonly username?: string;
  readonly password?: string;
  authenticationProvider?(exchange: SaslExchange): { authenticate(): Promise<void> };
  /** For messages: what to look at when a broker refuses. */
  readonly lookAt: string;
}

const decoder = new TextDecoder();

/** The most of a broker's answer that a message shows. */
const MAX_SHOWN_LENGTH = 200;

/**
 * RFC 7628: a broker that doesn't take the token says so in a challenge (section 3.2.2), which isn't an error of the
 * protocol. kafkajs' own authenticator doesn't look at it, takes the login for done, and nothing works after it.
 */
function bearerLogin(
  token: () => Promise<string>,
  extensions: readonly string[] = [],
): NonNullable<SaslSettings["authenticationProvider"]> {
  return ({ saslAuthenticate }) => ({
    async authenticate() {
      const parts = ["n,,", `auth=Bearer ${await token()}`, ...extensions, "", ""];
      const message = new TextEncoder().encode(parts.join("\x01"));
      const challenge = await saslAuthenticate({
        request: { encode: () => Promise.resolve(Buffer.from(new WireWriter().byteString(message).bytes)) },
        response: {
          decode: (bytes) => Promise.resolve(decoder.decode(new WireReader(bytes).byteString())),
          parse: (text) => Promise.resolve(text),
        },
      });
      if (challenge === "") return;
      throw new Error(`SASL OAUTHBEARER: it doesn't take the token: ${challenge.slice(0, MAX_SHOWN_LENGTH)}`);
    },
  });
}

/** How to log in, from the config; null for not at all. */
export function saslSettings(config: KafkaConfig, runtime: Runtime): SaslSettings | null {
  if (!config.securityProtocol.startsWith("SASL")) return null;
  const mechanism = config.saslMechanism;
  switch (mechanism) {
    case "OAUTHBEARER": {
      const lookAt = "the token, and at kafka.sasl.oauthbearer.*";
      return {
        mechanism,
        authenticationProvider: bearerLogin(oauthTokens(config, runtime), config.oauthExtensions),
        lookAt,
      };
    }
    case "AWS_MSK_IAM": {
      // The brokers' other name for the same login: a signed URL as the bearer token.
      const lookAt = "kafka.sasl.aws.region, and whether this machine's AWS credentials have the right " +
        "kafka-cluster:Connect";
      const login = bearerLogin(mskIamTokens(config.saslAwsRegion!, runtime));
      return { mechanism: "OAUTHBEARER", authenticationProvider: login, lookAt };
    }
    default: {
      const lookAt = "kafka.sasl.mechanism, kafka.sasl.username and the password";
      return { mechanism, username: config.saslUsername, password: config.saslPassword, lookAt };
    }
  }
}
