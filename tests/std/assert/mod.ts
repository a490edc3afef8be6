/**
 * The part of `@std/assert` that the tests use, over node:assert, for machines that reach npm but not JSR. Remove "links"
 * from deno.json to use the real package.
 */
import strict, { AssertionError } from "node:assert/strict";

export { AssertionError };

// deno-lint-ignore no-explicit-any -- as in std: the constructor's parameters don't matter here
type ErrorClass<E extends Error> = new (...args: any[]) => E;

export function assert(condition: unknown, message?: string): asserts condition {
  if (!condition) throw new AssertionError({ message: message ?? "the condition is false" });
}

export function assertFalse(condition: unknown, message?: string): void {
  assert(!condition, message);
}

export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  strict.deepStrictEqual(actual, expected, message);
}

export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  strict.notDeepStrictEqual(actual, expected, message);
}

export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T {
  strict.strictEqual(actual, expected, message);
}

export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  assert(actual !== null && actual !== undefined, message ?? "the value is null or undefined");
}

export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  assert(
    actual.includes(expected),
    message ?? `expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

export function assertMatch(actual: string, pattern: RegExp, message?: string): void {
  assert(pattern.test(actual), message ?? `expected ${JSON.stringify(actual)} to match ${pattern}`);
}

export function assertGreater<T>(actual: T, low: T, message?: string): void {
  assert(actual > low, message ?? `expected ${actual} > ${low}`);
}

export function assertGreaterOrEqual<T>(actual: T, low: T, message?: string): void {
  assert(actual >= low, message ?? `expected ${actual} >= ${low}`);
}

export function assertLess<T>(actual: T, high: T, message?: string): void {
  assert(actual < high, message ?? `expected ${actual} < ${high}`);
}

export function assertLessOrEqual<T>(actual: T, high: T, message?: string): void {
  assert(actual <= high, message ?? `expected ${actual} <= ${high}`);
}

export function assertInstanceOf<E extends Error>(
  actual: unknown,
  errorClass: ErrorClass<E>,
  message?: string,
): asserts actual is E {
  assert(actual instanceof errorClass, message ?? `expected an instance of ${errorClass.name}, got ${actual}`);
}

export function fail(message?: string): never {
  throw new AssertionError({ message: message ?? "failed" });
}

function checkError<E extends Error>(error: unknown, errorClass?: ErrorClass<E>, includes?: string): E {
  if (errorClass !== undefined) assertInstanceOf(error, errorClass);
  if (includes !== undefined) assertStringIncludes((error as Error).message, includes);
  return error as E;
}

export function assertThrows<E extends Error = Error>(
  action: () => unknown,
  errorClass?: ErrorClass<E>,
  includes?: string,
): E {
  try {
    action();
  } catch (error) {
    return checkError(error, errorClass, includes);
  }
  return fail("expected an error, none was thrown");
}

export async function assertRejects<E extends Error = Error>(
  action: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  includes?: string,
): Promise<E> {
  try {
    await action();
  } catch (error) {
    return checkError(error, errorClass, includes);
  }
  return fail("expected a rejection, the promise resolved");
}
