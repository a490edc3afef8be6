import { assertEquals } from "@std/assert";
import { CommandFailedError } from "../../../src/build/command.ts";
import { lacksRuntime } from "../../../src/build/runtime.ts";

const UNREACHABLE = `Compile main.js to collector
Download https://host.invalid/release/v2.8.3/denort-x86_64-unknown-linux-gnu.zip
error: Writing deno compile executable to temporary file 'collector.tmp-0'

Caused by:
    0: Setting up base binary.
    1: error sending request for url: client error (Connect): dns error
`;

Deno.test("lacksRuntime tells a failed download of the runtime from every other failure", () => {
  const failed = (stderr: string) => new CommandFailedError("deno compile", 1, stderr);
  assertEquals(lacksRuntime(failed(UNREACHABLE)), true);
  assertEquals(lacksRuntime(failed("error: Module not found")), false);
  assertEquals(lacksRuntime(failed("error: No space left on device (os error 28)")), false);
  assertEquals(lacksRuntime(new Error(UNREACHABLE)), false, "not from a command");
});
