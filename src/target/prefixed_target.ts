import { literalProblem } from "../encode/key_template.ts";
import { isReadable, type ObjectTarget, type ReadableObjectTarget, type StoredObject } from "./target.ts";

/** A key below it has at most 900 bytes; S3 allows 1,024, and the bucket's own prefix wants some of them. */
const MAX_PREFIX_BYTES = 100;

/**
 * Checks what a user gives as a prefix for keys: "replay/2026-11-01".
 *
 * @throws RangeError that says what is wrong and what to write.
 */
export function checkKeyPrefix(prefix: string): void {
  if (prefix === "") throw new RangeError("is empty: write a folder's name");
  if (prefix.length > MAX_PREFIX_BYTES) throw new RangeError(`is longer than ${MAX_PREFIX_BYTES} bytes: shorten it`);
  for (const segment of prefix.split("/")) checkSegment(segment);
}

function checkSegment(segment: string): void {
  if (segment === "") throw new RangeError("has an empty segment: no slash at the start or end, and no two in a row");
  if (/^[_.]/.test(segment)) throw new RangeError(`"${segment}" begins with "${segment[0]}": readers skip such names`);
  const problem = literalProblem(segment);
  if (problem !== null) throw new RangeError(problem);
}

/**
 * The same target with all keys below `prefix` + "/": what is put, listed, read and deleted through it has keys relative to
 * that. Readable when the target is. Opening and closing it opens and closes the target.
 *
 * @throws RangeError for a prefix that can't be one, see `checkKeyPrefix`.
 */
export function prefixedTarget(target: ReadableObjectTarget, prefix: string): ReadableObjectTarget;
export function prefixedTarget(target: ObjectTarget, prefix: string): ObjectTarget;
export function prefixedTarget(target: ObjectTarget, prefix: string): ObjectTarget {
  checkKeyPrefix(prefix);
  const root = `${prefix}/`;
  const writing: ObjectTarget = {
    kind: "objects",
    open: (signal) => target.open(signal),
    put: (object: StoredObject, signal) => target.put({ ...object, key: root + object.key }, signal),
    close: () => target.close(),
  };
  return isReadable(target) ? { ...writing, ...reading(target, root) } : writing;
}

function reading(target: ReadableObjectTarget, root: string): Pick<ReadableObjectTarget, "list" | "get" | "delete"> {
  return {
    async *list(prefix, signal) {
      for await (const { key, byteLength } of target.list(root + prefix, signal)) {
        yield { key: key.slice(root.length), byteLength };
      }
    },
    get: (key, signal) => target.get(root + key, signal),
    delete: (key, signal) => target.delete(root + key, signal),
  };
}
