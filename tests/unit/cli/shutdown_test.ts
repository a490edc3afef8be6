import { assertEquals, assertThrows } from "@std/assert";
import { stopOnSignals } from "../../../src/cli/shutdown.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { ExitCalled, FakeHost } from "./fake_host.ts";

Deno.test("stopOnSignals() aborts at the first signal and ends the process at one that isn't the same", () => {
  for (
    const [first, second, code] of [["SIGTERM", "SIGTERM", 143], ["SIGTERM", "SIGINT", 130], [
      "SIGHUP",
      "SIGHUP",
      143,
    ]] as const
  ) {
    const clock = new ManualClock();
    const host = new FakeHost({ clock });
    const stop = stopOnSignals(host, silentLog);
    assertEquals(stop.aborted, false);
    host.send(first);
    assertEquals(stop.aborted, true);
    host.send(second);
    clock.advance(999);
    host.send(second);
    clock.advance(1);
    assertEquals(assertThrows(() => host.send(second), ExitCalled).code, code);
  }
});
