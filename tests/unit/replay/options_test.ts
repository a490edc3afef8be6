import { assertEquals } from "@std/assert";
import { replaySection, unitByteLengthOf } from "../../../src/replay/options.ts";
import { defaultConfig } from "../../support/default_config.ts";

const MB = 1 << 20;

Deno.test("unitByteLengthOf() is what the config says, or the power of two that fits half of the buffers", () => {
  const cases: [unit: number, memory: number, expected: number][] = [
    [256 * MB, 4096 * MB, 256 * MB],
    [256 * MB, 512 * MB, 256 * MB],
    [256 * MB, 512 * MB - 1, 128 * MB],
    [256 * MB, 300 * MB, 128 * MB],
    [100 * MB, 200 * MB, 100 * MB],
    [100 * MB, 199 * MB, 64 * MB],
    [2 ** 40, 8 * MB, 4 * MB],
    [MB, 8 * MB, MB],
  ];
  for (const [unitByteLength, memory, expected] of cases) {
    const config = defaultConfig(replaySection.options, { unitByteLength });
    assertEquals(unitByteLengthOf(config, memory), expected);
  }
});
