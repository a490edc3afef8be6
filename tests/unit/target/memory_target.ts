import type { ObjectTarget, StoredObject } from "../../../src/target/target.ts";
import { contents } from "../../support/stored_object.ts";

/** Keeps objects in memory; fails as often as it is told to. */
export class MemoryTarget implements ObjectTarget {
  readonly kind = "objects";
  readonly objects = new Map<string, StoredObject>();
  /** Keys in the order of the puts that succeeded. */
  readonly order: string[] = [];
  /** Errors that the next puts end with. */
  readonly failures: Error[] = [];
  inFlight = 0;
  mostInFlight = 0;
  openCount = 0;

  open(): Promise<void> {
    this.openCount++;
    return Promise.resolve();
  }

  async put(object: StoredObject): Promise<void> {
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      await Promise.resolve();
      const failure = this.failures.shift();
      if (failure !== undefined) throw failure;
      this.objects.set(object.key, { ...object, chunks: [contents(object)] });
      this.order.push(object.key);
    } finally {
      this.inFlight--;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The object's contents as they are stored. */
  bytes(key: string): Uint8Array {
    return contents(this.objects.get(key)!);
  }
}
