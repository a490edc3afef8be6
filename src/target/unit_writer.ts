import type { SealedUnit } from "../pipeline/unit.ts";

/** What was written of a unit, for the log. */
export interface Written {
  /** 0 for targets that take pages. */
  readonly objects: number;
  readonly rows: number;
  /** Of the objects, as they are stored; 0 for targets that take pages. */
  readonly byteLength: number;
}

/** Writes sealed units to a target. The loop opens it once, writes units (some at a time), closes it once. */
export interface UnitWriter {
  open(signal: AbortSignal): Promise<void>;
  /**
   * Writes everything of the unit: dead letters, rows, and the manifest last. Durable when resolved. A target that fails
   * for now is tried again until the signal aborts. The unit is the writer's: the memory of what is stored is given back.
   *
   * @throws what the target throws for good, or the signal's reason; the unit must not be committed then.
   */
  write(unit: SealedUnit, signal: AbortSignal): Promise<Written>;
  close(): Promise<void>;
}
