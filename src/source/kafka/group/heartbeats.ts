import { failing, working } from "../../../runtime/outage.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Coordinator } from "./coordinator.ts";
import { heartbeatRequest, type Membership } from "../protocol/group.ts";

/** As in the original. */
export const HEARTBEAT_MS = 1000;

export interface HeartbeatParts {
  readonly coordinator: Coordinator;
  readonly runtime: Runtime;
  readonly sessionTimeoutMs: number;
  /** As whom to send the next one; null while none is due. */
  current(): Membership | null;
  /** The coordinator's answer. What this throws goes to `failed`. */
  answered(membership: Membership, errorCode: number): void;
  /** What can't be tried again. */
  failed(error: unknown): void;
}

/** Sends heartbeats until `signal` aborts; never rejects. */
export async function sendHeartbeats(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  const { coordinator, sessionTimeoutMs, runtime } = parts;
  while (!signal.aborted) {
    try {
      await runtime.clock.sleep(Math.min(HEARTBEAT_MS, sessionTimeoutMs / 3), signal);
      const membership = parts.current();
      if (membership === null) continue;
      const timeoutMs = Math.ceil(sessionTimeoutMs / 3);
      const request = heartbeatRequest(membership);
      const { errorCode } = await coordinator.send("heartbeat", request, { signal, timeoutMs });
      if (parts.current() === membership) parts.answered(membership, errorCode);
      working(runtime, "kafka heartbeat");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof RetriableError) failing(runtime, "kafka heartbeat", { error });
      else parts.failed(error);
    }
  }
}
