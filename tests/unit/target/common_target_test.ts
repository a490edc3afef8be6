import { assertEquals, assertRejects } from "@std/assert";
import { commonTarget } from "../../../src/target/common_target.ts";
import type { ObjectTarget, PageTarget } from "../../../src/target/target.ts";
import { storedObject } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;

Deno.test("commonTarget() is opened once and closed by the last of its users", async () => {
  const calls: string[] = [];
  const call = (name: string) => () => Promise.resolve(void calls.push(name));
  const target: ObjectTarget = { kind: "objects", open: call("open"), put: call("put"), close: call("close") };
  const common = commonTarget(target, 2) as ObjectTarget;
  await Promise.all([common.open(NEVER), common.open(NEVER)]);
  await common.close();
  await common.put(storedObject("a", "b"), NEVER);
  assertEquals(calls, ["open", "put"]);
  await common.close();
  await common.close();
  assertEquals(calls, ["open", "put", "close"]);
});

Deno.test("commonTarget() tries again to open what couldn't be opened", async () => {
  let tries = 0;
  const open = () => ++tries === 1 ? Promise.reject(new Error("not yet")) : Promise.resolve();
  const target: PageTarget = { kind: "pages", open, insert: () => null as never, close: () => Promise.resolve() };
  const common = commonTarget(target, 2);
  await assertRejects(() => common.open(NEVER), Error, "not yet");
  await common.open(NEVER);
  await common.open(NEVER);
  assertEquals([tries, common.kind], [2, "pages"]);
});
