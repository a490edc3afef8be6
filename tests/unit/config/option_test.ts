import { assertEquals, assertThrows } from "@std/assert";
import { type ConfigOf, type Option, option } from "../../../src/config/option.ts";

const doc = "For the test.";

Deno.test("options read valid values, boundaries too", () => {
  const cases: readonly (readonly [Option<unknown>, string, unknown])[] = [
    [option.string("k", { doc }), "  inside only matters outside ", "  inside only matters outside "],
    [option.boolean("k", { doc }), "TRUE", true],
    [option.boolean("k", { doc }), "false", false],
    [option.integer("k", { doc }), "0", 0],
    [option.integer("k", { doc }), "+7", 7],
    [option.integer("k", { doc }), "9007199254740991", 9007199254740991],
    [option.integer("k", { doc, min: -5 }), "-5", -5],
    [option.integer("k", { doc, max: 9 }), "9", 9],
    [option.integerOrAuto("k", { doc }), "Auto", "auto"],
    [option.integerOrAuto("k", { doc }), "4", 4],
    [option.number("k", { doc, max: 1 }), "0.6", 0.6],
    [option.number("k", { doc, max: 1 }), "1", 1],
    [option.number("k", { doc }), "1e3", 1000],
    [option.number("k", { doc }), ".5", 0.5],
    [option.duration("k", { doc, min: 1000 }), "1s", 1000],
    [option.size("k", { doc, max: 1024 }), "1kB", 1024],
    [option.enumeration("k", ["SSE-S3", "none"], { doc }), "sse-s3", "SSE-S3"],
    [option.list("k", { doc }), " a, ,b,, c ,", ["a", "b", "c"]],
    [option.list("k", { doc }), ",", []],
    [option.list("k", { doc }), "a/{b,c}.x, {d,{e,f}}/g", ["a/{b,c}.x", "{d,{e,f}}/g"]],
    [option.list("k", { doc }), "a{b,c}d}e,{f,g", ["a{b,c}d}e", "{f", "g"]],
    [option.listOf("k", ["topic", "Key"], { doc }), "KEY, topic", ["Key", "topic"]],
  ];
  for (const [spec, text, value] of cases) assertEquals(spec.parse(text), value, `${spec.typeName}: ${text}`);
});

Deno.test("options refuse other values and say what to write", () => {
  const check = (text: string) => {
    if (text.includes("://")) throw new RangeError("must have no protocol");
  };
  const cases: readonly (readonly [Option<unknown>, string, string])[] = [
    [option.string("k", { doc, check }), "http://h", "must have no protocol"],
    [option.boolean("k", { doc }), "yes", "must be true or false"],
    [option.integer("k", { doc }), "1.5", "not a whole number"],
    [option.integer("k", { doc }), "9007199254740992", "not a whole number"],
    [option.integer("k", { doc }), "0x10", "not a whole number"],
    [option.integer("k", { doc }), "-1", "must be at least 0"],
    [option.integer("k", { doc, max: 9 }), "10", "must be at most 9"],
    [option.integerOrAuto("k", { doc, min: 1 }), "0", "must be at least 1"],
    [option.integerOrAuto("k", { doc }), "automatic", "not a whole number"],
    [option.number("k", { doc }), "NaN", "not a number"],
    [option.number("k", { doc }), "1e999", "must be at most 9007199254740991"],
    [option.number("k", { doc, max: 1 }), "1.01", "must be at most 1"],
    [option.duration("k", { doc, min: 1000 }), "999ms", "must be at least 1s"],
    [option.size("k", { doc, max: 1024 }), "1025B", "must be at most 1kB"],
    [
      option.enumeration("k", ["earliest", "latest"], { doc }),
      "erliest",
      "must be one of earliest, latest; did you mean earliest?",
    ],
    [option.enumeration("k", ["earliest", "latest"], { doc }), "first", "must be one of earliest, latest"],
    [option.list("k", { doc, check }), "a, http://b", "must have no protocol"],
    [option.list("k", { doc, check }), "x://a, b, y://c", "must have no protocol; must have no protocol"],
    [option.list("k", { doc, required: true }), " , ,", "has no items between its commas"],
    [option.listOf("k", ["topic", "key"], { doc }), "topic, kez", "must be one of topic, key; did you mean key?"],
  ];
  for (const [spec, text, message] of cases) {
    assertEquals(assertThrows(() => spec.parse(text), RangeError).message, message, `${spec.typeName}: ${text}`);
  }
});

Deno.test("options describe themselves for the docs", () => {
  const bounds = [
    option.integer("k", { doc }).bounds,
    option.integer("k", { doc, min: 1 }).bounds,
    option.duration("k", { doc, max: 60_000 }).bounds,
    option.size("k", { doc, min: 1024, max: 2048 }).bounds,
  ];
  assertEquals(bounds, [undefined, "at least 1", "at most 1m", "1kB to 2kB"]);
  assertEquals(option.enumeration("k", ["a", "b"], { doc }).typeName, "one of a, b");
  assertEquals(option.duration("k", { doc, default: "15s" }).defaultText, "15s");
});

Deno.test("a default that the option itself would refuse is a mistake in the code", () => {
  assertThrows(() => option.integer("k", { doc, default: "many" }), RangeError);
});

Deno.test("ConfigOf has undefined only where there is no value for sure", () => {
  const specs = {
    always: option.duration("a", { doc, default: "15s" }),
    needed: option.string("b", { doc, required: true }),
    maybe: option.size("c", { doc }),
    choice: option.enumeration("d", ["x", "y"], { doc, default: "x" }),
  };
  const config: ConfigOf<typeof specs> = { always: 1, needed: "text", maybe: undefined, choice: "y" };
  const typed: [number, string, number | undefined, "x" | "y"] = [
    config.always,
    config.needed,
    config.maybe,
    config.choice,
  ];
  assertEquals(typed, [1, "text", undefined, "y"]);
  assertEquals(specs.always.defaultValue, 15_000);
  assertEquals(specs.maybe.defaultValue, undefined);
});
