import { assertEquals, assertRejects } from "@std/assert";
import { InvariantError, RetriableError } from "../../../src/runtime/errors.ts";
import { LazyTarget, sharedTarget } from "../../../src/target/deferred_target.ts";
import type { ObjectTarget } from "../../../src/target/target.ts";
import { storedObject } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const object = storedObject("a", "b");

/** A target that writes down what is asked of it. */
function recorder(calls: string[], failures: Error[] = []): ObjectTarget {
  const call = (name: string) => {
    calls.push(name);
    const failure = name === "open" ? failures.shift() : undefined;
    return failure === undefined ? Promise.resolve() : Promise.reject(failure);
  };
  return {
    kind: "objects",
    open: () => call("open"),
    put: ({ key }) => call(`put ${key}`),
    close: () => call("close"),
  };
}

Deno.test("LazyTarget opens with the first object, once", async () => {
  const calls: string[] = [];
  const target = new LazyTarget(recorder(calls));
  await target.open();
  await Promise.all([target.put(object, NEVER), target.put(object, NEVER)]);
  await target.close();
  assertEquals(calls, ["open", "put a", "put a", "close"]);
  await assertRejects(() => target.put(object, NEVER), InvariantError);
});

Deno.test("LazyTarget that is never used is never opened", async () => {
  const calls: string[] = [];
  const target = new LazyTarget(recorder(calls));
  await target.open();
  await target.close();
  assertEquals(calls, []);
});

Deno.test("LazyTarget opens again after a failure", async () => {
  const calls: string[] = [];
  const target = new LazyTarget(recorder(calls, [new RetriableError("not yet")]));
  await assertRejects(() => target.put(object, NEVER), RetriableError);
  await target.put(object, NEVER);
  await target.close();
  assertEquals(calls, ["open", "open", "put a", "close"]);
});

Deno.test("sharedTarget() only puts", async () => {
  const calls: string[] = [];
  const target = sharedTarget(recorder(calls));
  await target.open(NEVER);
  await target.put(object, NEVER);
  await target.close();
  assertEquals(calls, ["put a"]);
});
