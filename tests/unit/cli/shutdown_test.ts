import { assertEquals, assertThrows } from "@std/assert";
import { stopOnSignals } from "../../../src/cli/shutdown.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { ExitCalled, FakeHost } from "./fake_host.ts";

Deno.test("stopOnSignals() aborts at the first signal and ends the process at the second", () => {
  for (const [first, second, code] of [["SIGTERM", "SIGTERM", 143], ["SIGTERM", "SIGINT", 130]] as const) {
    const host = new FakeHost();
    const stop = stopOnSignals(host, silentLog);
    assertEquals(stop.aborted, false);
    host.send(first);
    assertEquals(stop.aborted, true);
    assertEquals(assertThrows(() => host.send(second), ExitCalled).code, code);
  }
});
