import type { ConfigProblem } from "../../runtime/errors.ts";
import { type KinesisConfig, kinesisOptions, parseEndpoint, parseTimestamp } from "./options.ts";

/** What the config says, ready for use. */
export interface KinesisSettings extends KinesisConfig {
  /** Without the ARN around it. */
  readonly streamName: string;
  /** Undefined when the config names the stream only. */
  readonly streamArn: string | undefined;
  /** Epoch ms; set with AT_TIMESTAMP. */
  readonly initialTimestampMs: number | undefined;
  readonly tags: readonly { readonly name: string; readonly value: string }[];
}

const ARN = /^arn:[a-z0-9-]+:kinesis:([a-z0-9-]+):\d{12}:stream\/([a-zA-Z0-9_.-]{1,128})$/;
const NAME = /^[a-zA-Z0-9_.-]{1,128}$/;

/** Values that are right by themselves but not together, or that this build can't do. */
export function kinesisConfigProblems(config: KinesisConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const problem = (field: keyof typeof kinesisOptions, message: string) =>
    problems.push({ key: kinesisOptions[field].key, message });
  const arn = ARN.exec(config.stream);
  if (arn === null && !NAME.test(config.stream)) {
    problem("stream", "must be a stream's name (letters, digits, _ . -) or its ARN, arn:aws:kinesis:...:stream/name");
  } else if (arn !== null && config.region !== undefined && config.region !== arn[1]) {
    problem("region", `is ${config.region}, but the ARN of kinesis.stream says ${arn[1]}: remove one of them`);
  }
  if (!/^[a-zA-Z0-9_.-]{3,255}$/.test(config.leaseTable)) {
    problem("leaseTable", "must have 3 to 255 letters, digits or _ . -");
  }
  if (config.initialPosition === "AT_TIMESTAMP" && config.initialTimestamp === undefined) {
    problem("initialTimestamp", "must be set when kinesis.initial-position=AT_TIMESTAMP");
  }
  if (config.initialPosition !== "AT_TIMESTAMP" && config.initialTimestamp !== undefined) {
    problem("initialTimestamp", "needs kinesis.initial-position=AT_TIMESTAMP");
  }
  if ((config.accessKey === undefined) !== (config.secretAccessKey === undefined)) {
    const missing = config.accessKey === undefined ? "accessKey" : "secretAccessKey";
    problem(missing, "must be set too: access key and secret go together");
  }
  if (config.sessionToken !== undefined && config.accessKey === undefined) {
    problem("sessionToken", "needs aws.access-key and aws.secret-access-key");
  }
  if (config.assumeRoleExternalId !== undefined && config.assumeRole === undefined) {
    problem("assumeRoleExternalId", "needs aws.assume-role-arn");
  }
  for (const { name } of parseTags(config.tableTags ?? [])) {
    if (name === "") problem("tableTags", "must be written name=value, name=value");
  }
  return problems;
}

function parseTags(tags: readonly string[]): { name: string; value: string }[] {
  return tags.map((tag) => {
    const equals = tag.indexOf("=");
    return { name: tag.slice(0, Math.max(equals, 0)).trim(), value: tag.slice(equals + 1).trim() };
  });
}

function endpoint(text: string | undefined): string | undefined {
  return text === undefined ? undefined : parseEndpoint(text);
}

/** Call only with a config that has no problems. */
export function kinesisSettings(config: KinesisConfig): KinesisSettings {
  const arn = ARN.exec(config.stream);
  return {
    ...config,
    streamName: arn?.[2] ?? config.stream,
    streamArn: arn === null ? undefined : config.stream,
    region: config.region ?? arn?.[1],
    initialTimestampMs: config.initialTimestamp === undefined ? undefined : parseTimestamp(config.initialTimestamp),
    kinesisEndpoint: endpoint(config.kinesisEndpoint),
    dynamodbEndpoint: endpoint(config.dynamodbEndpoint),
    cloudwatchEndpoint: endpoint(config.cloudwatchEndpoint),
    stsEndpoint: endpoint(config.stsEndpoint),
    tags: parseTags(config.tableTags ?? []),
  };
}
