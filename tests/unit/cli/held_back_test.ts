import { assertEquals, assertThrows } from "@std/assert";
import { holdBack } from "../../../src/cli/held_back.ts";
import { ExitCalled, FakeHost } from "./fake_host.ts";

Deno.test("holdBack() says nothing until it is released, and then all of it once", () => {
  const host = new FakeHost({ isTerminal: true });
  const held = holdBack(host);
  held.host.stderr.write("one\n");
  held.host.stderr.write("two\n");
  assertEquals([host.errors, held.host.stderr.isTerminal(), held.host.stderr.columns()], ["", false, 40]);
  held.release();
  held.release();
  assertEquals(host.errors, "one\ntwo\n");
});

Deno.test("holdBack() says all when the process is ended at once", () => {
  const host = new FakeHost();
  const held = holdBack(host);
  held.host.stderr.write("SIGTERM again\n");
  assertThrows(() => held.host.exit(143), ExitCalled, "exit 143");
  assertEquals(host.errors, "SIGTERM again\n");
});

Deno.test("holdBack() leaves everything else as it is", async () => {
  const host = new FakeHost({ args: ["replay"], environment: { A: "b" }, stdin: "text" });
  const { host: quiet } = holdBack(host);
  assertEquals([quiet.args, quiet.environment, quiet.version], [["replay"], { A: "b" }, "1.2.3"]);
  assertEquals(new TextDecoder().decode(await quiet.readStdin()), "text");
  await quiet.stdout.write(new TextEncoder().encode("row"));
  const heard: unknown[] = [];
  quiet.onStopSignal((signal) => heard.push(signal));
  quiet.onUncaught((error) => heard.push(error));
  host.send("SIGTERM");
  host.leave("oops");
  assertEquals([host.output.text(), heard], ["row", ["SIGTERM", "oops"]]);
});

Deno.test("holdBack() keeps the last lines of very many, and says so", () => {
  const host = new FakeHost();
  const held = holdBack(host);
  for (let i = 0; i < 10_000; i++) held.host.stderr.write(`line ${i} ${"x".repeat(90)}\n`);
  held.release();
  const [first, second] = host.errors.split("\n");
  const left = Number(/^\((\d+) earlier lines are left out\)$/.exec(first)![1]);
  assertEquals(second.slice(0, 10), `line ${left} `.slice(0, 10));
  assertEquals(host.errors.split("\n").length, 10_000 - left + 2);
  assertEquals(host.errors.length < 300_000, true);
});
