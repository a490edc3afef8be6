/** Opens the s3 target with the config of its first argument (JSON), puts one object, and says what came of it. */
import { s3Target } from "../../src/target/s3.ts";
import type { ObjectTarget } from "../../src/target/target.ts";
import { storedObject, testRuntime } from "./stored_object.ts";

if (import.meta.main) {
  const signal = new AbortController().signal;
  const runtime = testRuntime({ random: { next: () => 0, hex: () => "00" } });
  const target = s3Target.create(JSON.parse(Deno.args[0]), { runtime }) as ObjectTarget;
  let said = "stored";
  try {
    await target.open(signal);
    await target.put(storedObject("k", "contents"), signal);
  } catch (error) {
    said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } finally {
    await target.close();
  }
  await Deno.stdout.write(new TextEncoder().encode(said));
}
