import { assertEquals, assertRejects } from "@std/assert";
import { RowOutput } from "../../../src/cli/row_output.ts";
import { Terminal } from "../../../src/cli/terminal.ts";
import { FakeHost } from "./fake_host.ts";

const CLEAR = "\r\x1b[2K";

Deno.test("Terminal keeps the status line below what is written", () => {
  const host = new FakeHost({ isTerminal: true });
  const terminal = new Terminal(host.stderr);
  terminal.write("one\n");
  terminal.showStatus("");
  assertEquals(host.errors, "one\n");
  host.errors = "";
  terminal.showStatus("busy");
  terminal.write("two\n");
  assertEquals(host.errors, `${CLEAR}busy${CLEAR}two\nbusy`);
  host.errors = "";
  terminal.showStatus("");
  terminal.write("three\n");
  assertEquals(host.errors, `${CLEAR}three\n`);
});

Deno.test("Terminal cuts the status line to one line", () => {
  const host = new FakeHost({ isTerminal: true });
  new Terminal(host.stderr).showStatus("x".repeat(100));
  assertEquals(host.errors, CLEAR + "x".repeat(39));
});

Deno.test("Terminal shows no status line where there is no terminal", () => {
  const host = new FakeHost();
  const terminal = new Terminal(host.stderr);
  terminal.showStatus("busy");
  terminal.write("one\n");
  assertEquals(host.errors, "one\n");
});

Deno.test("RowOutput takes the status line away before rows come, and sees a closed pipe", async () => {
  const host = new FakeHost({ isTerminal: true });
  const terminal = new Terminal(host.stderr);
  const output = new RowOutput(host.stdout, terminal);
  terminal.showStatus("busy");
  host.errors = "";
  assertEquals(await output.write(new TextEncoder().encode("row\n")), 4);
  assertEquals([host.errors, host.output.text(), output.isClosed], [CLEAR, "row\n", false]);
  host.output.break(new Deno.errors.BrokenPipe("gone"));
  await assertRejects(() => output.write(new Uint8Array(1)), Deno.errors.BrokenPipe);
  assertEquals(output.isClosed, true);
});
