import { assert, assertEquals } from "@std/assert";

/** What V8 may hold for a moment beside the buffer: compiled code, tables that it grows. */
const SLACK_BYTES = 2e6;

Deno.test("a buffer's account says what the heap grows by, for wide, sparse and very many columns and tables", async () => {
  const program = new URL("../../support/account_program.ts", import.meta.url).pathname;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const args = ["run", "-A", "--quiet", "--no-check", "--config", config, "--v8-flags=--expose-gc", program];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.length, 6);
  for (const { shape, grown, account } of lines) {
    const said = `${shape}: the account says ${account} bytes, the heap grew by ${grown}`;
    assert(grown <= account + SLACK_BYTES, said);
    assert(account <= 3 * grown + SLACK_BYTES, said);
  }
});
