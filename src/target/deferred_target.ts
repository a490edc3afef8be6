/** Object targets whose opening is not the business of the one who uses them. */
import { InvariantError } from "../runtime/errors.ts";
import type { ObjectTarget, StoredObject } from "./target.ts";

/** The same target for a second user: whoever has the target itself opens and closes it. */
export function sharedTarget(target: ObjectTarget): ObjectTarget {
  return {
    kind: "objects",
    open: () => Promise.resolve(),
    put: (object, signal) => target.put(object, signal),
    close: () => Promise.resolve(),
  };
}

/** Opens the target with its first object, so that one which is never used leaves nothing behind (an empty folder). */
export class LazyTarget implements ObjectTarget {
  readonly kind = "objects";
  readonly #target: ObjectTarget;
  #opening: Promise<void> | undefined;
  #closed = false;

  constructor(target: ObjectTarget) {
    this.#target = target;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  async put(object: StoredObject, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new InvariantError("put on a target that is closed");
    this.#opening ??= this.#target.open(signal);
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = undefined; // the next put tries again
      throw error;
    }
    await this.#target.put(object, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#opening === undefined) return;
    await this.#opening.then(() => this.#target.close(), () => {});
  }
}
