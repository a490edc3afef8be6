/**
 * The ground floor: what every room may use. Time, chance, logs, counters, errors, retries, durable files, connections to AWS.
 * It knows nothing of records.
 */
import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Random } from "./random.ts";

/** Time, chance, words and numbers: all that a component may take from the outside besides its own protocol. */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}
