import { withAbort } from "../../../runtime/abort.ts";
import { FatalError, RetriableError } from "../../../runtime/errors.ts";
import type { KafkaClient, Lane, SendOptions } from "../network/client.ts";
import type { ApiRequest } from "../protocol/api.ts";
import { ErrorCode, errorName } from "../protocol/errors.ts";
import { findCoordinatorRequest } from "../protocol/group.ts";

/** For what several wait for: each of them may give up, and a client that is closed ends it. */
const NEVER = new AbortController().signal;

/** The broker that keeps the group: found when needed, found anew when it moved. */
export class Coordinator {
  readonly groupId: string;
  readonly #client: KafkaClient;
  #nodeId: number | null = null;
  #finding: Promise<number> | null = null;

  constructor(client: KafkaClient, groupId: string) {
    this.#client = client;
    this.groupId = groupId;
  }

  /** For messages. */
  get name(): string {
    return this.#nodeId === null ? "unknown" : this.#client.nameOf(this.#nodeId);
  }

  /** The next request looks for the coordinator again. */
  forget(): void {
    this.#nodeId = null;
  }

  /** @throws RetriableError (the coordinator is looked for again next time), FatalError, the signal's reason. */
  async send<T>(lane: Lane, request: ApiRequest<T>, options: SendOptions): Promise<T> {
    const nodeId = this.#nodeId ?? await this.find(options.signal);
    try {
      return await this.#client.send(nodeId, lane, request, options);
    } catch (error) {
      if (error instanceof RetriableError && this.#nodeId === nodeId) this.#nodeId = null;
      throw error;
    }
  }

  /** The coordinator's node id. Errors as with `send`. */
  find(signal: AbortSignal): Promise<number> {
    this.#finding ??= this.#find().finally(() => this.#finding = null);
    return withAbort(this.#finding, signal);
  }

  async #find(): Promise<number> {
    const request = findCoordinatorRequest(this.groupId);
    const { errorCode, broker } = await this.#client.sendToAny(request, { signal: NEVER });
    if (errorCode === ErrorCode.NONE) {
      this.#client.learn(broker);
      this.#nodeId = broker.nodeId;
      return broker.nodeId;
    }
    throwGroupError(errorCode, this.groupId, "FindCoordinator");
  }
}

/**
 * The error for a code that means the same in all requests about groups.
 *
 * @throws FatalError when waiting doesn't help, else RetriableError.
 */
export function throwGroupError(errorCode: number, groupId: string, what: string): never {
  switch (errorCode) {
    case ErrorCode.GROUP_AUTHORIZATION_FAILED:
      throw new FatalError(`Not allowed to use consumer group ${groupId}: its READ right is missing (${what})`);
    case ErrorCode.TOPIC_AUTHORIZATION_FAILED:
      throw new FatalError(`Not allowed to read a topic of group ${groupId}: its READ right is missing (${what})`);
    case ErrorCode.INVALID_GROUP_ID:
      throw new FatalError(`The brokers don't take "${groupId}" as kafka.group.id`);
    case ErrorCode.INCONSISTENT_GROUP_PROTOCOL:
      throw new FatalError(
        `Group ${groupId} has members with another way to share partitions: set kafka.partition.assignment.strategy ` +
          `as they have it, or choose another kafka.group.id`,
      );
    case ErrorCode.INVALID_SESSION_TIMEOUT:
      throw new FatalError(
        "The brokers don't take kafka.session.timeout.ms: it must be between their group.min.session.timeout.ms and " +
          "group.max.session.timeout.ms",
      );
    case ErrorCode.GROUP_MAX_SIZE_REACHED:
      throw new FatalError(`Group ${groupId} is full: the brokers' group.max.size is reached`);
    case ErrorCode.FENCED_INSTANCE_ID:
      throw new FatalError(
        `Another collector took over our kafka.group.instance.id in group ${groupId}: each needs its own`,
      );
    case ErrorCode.UNSUPPORTED_VERSION:
      throw new FatalError(`The brokers don't know ${what} in a version that we speak`);
    default:
      throw new RetriableError(`${what} of group ${groupId} failed: ${errorName(errorCode)}`);
  }
}
