import type { SealedUnit } from "../pipeline/unit.ts";

/** Writes sealed units to a target. The loop opens it once, writes units (some at a time), closes it once. */
export interface UnitWriter {
  open(signal: AbortSignal): Promise<void>;
  /**
   * Writes everything of the unit: dead letters, rows, and the manifest last. Durable when resolved. A target that fails
   * for now is tried again until the signal aborts. The unit is the writer's: the memory of what is stored is given back.
   *
   * @throws what the target throws for good, or the signal's reason; the unit must not be committed then.
   */
  write(unit: SealedUnit, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
