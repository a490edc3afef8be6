import { assertEquals } from "@std/assert";
import type { DecodeConfig } from "../../../src/decode/options.ts";
import { decode, exactRows, typesOf } from "./harness.ts";
import { parseExact } from "./exact_json.ts";

/** The user's type, values one after the other, the column's type, and what the values become. */
const CASES: readonly (readonly [DecodeConfig["userType"], readonly string[], string, readonly string[]])[] = [
  ["STRING", ["42", '"x"', "-1.50e3"], "VARCHAR", ['"42"', '"x"', '"-1.50e3"']],
  ["STRING", ['"x"', "42"], "VARCHAR", ['"x"', '"42"']],
  ["STRING", ['"2026-11-01"'], "VARCHAR", ['"2026-11-01"']],
  ["STRING", ["12345678901234567890"], "VARCHAR", ['"12345678901234567890"']],
  ["STRING", ["true", "42"], "JSON", ["true", '"42"']],
  ["STRING", ["[1]", '"a"', "5"], "JSON", ["[1]", '"a"', '"5"']],
  ["LONG", ['"42"', "7", '"-9223372036854775808"'], "BIGINT", ["42", "7", "-9223372036854775808"]],
  ["LONG", ["7"], "BIGINT", ["7"]],
  ["LONG", ['"042"'], "VARCHAR", ['"042"']],
  ["LONG", ['"-0"'], "VARCHAR", ['"-0"']],
  ["LONG", ['"1.5"'], "VARCHAR", ['"1.5"']],
  ["LONG", ['"9223372036854775808"'], "VARCHAR", ['"9223372036854775808"']],
  ["LONG", ['"42"', '"x"', '"43"'], "JSON", ["42", '"x"', '"43"']],
  ["LONG", ['"x"', '"42"'], "VARCHAR", ['"x"', '"42"']],
  ["LONG", ["1.5", '"2"'], "DOUBLE", ["1.5", "2"]],
  ["INTEGER", ['"42"', "2147483647"], "INTEGER", ["42", "2147483647"]],
  ["INTEGER", ['"2147483648"'], "VARCHAR", ['"2147483648"']],
  ["INTEGER", ["2147483648"], "BIGINT", ["2147483648"]],
  ["DOUBLE", ['"1.5"', "2", '"3"'], "DOUBLE", ["1.5", "2", "3"]],
  ["DOUBLE", ['"1.50"'], "VARCHAR", ['"1.50"']],
  ["DOUBLE", ['"1e400"'], "VARCHAR", ['"1e400"']],
  ["DOUBLE", ['""'], "VARCHAR", ['""']],
  ["DOUBLE", ['"Infinity"'], "VARCHAR", ['"Infinity"']],
];

for (const [userType, values, type, expected] of CASES) {
  Deno.test(`users of type ${userType} given as ${values.join(", ")} are kept as ${type}`, () => {
    const docs = values.map((value) => `{"_user":${value},"a":1}`);
    const { pages: [page], deadLetters } = decode(docs, { userType, jsonLayout: "PLAIN" });
    assertEquals(deadLetters, []);
    assertEquals(typesOf(page)._user, type);
    assertEquals(exactRows(page).map((row) => row.get("_user")), expected.map((text) => parseExact(text)));
    assertEquals(page.columns[page.userColumn].name, "_user");
  });
}

Deno.test("a malformed number of a user is rejected", () => {
  for (const userType of ["STRING", "LONG"] as const) {
    const { deadLetters } = decode(['{"_user":01}', '{"_user":-}', '{"_user":1.}'], { userType, jsonLayout: "PLAIN" });
    assertEquals(deadLetters.length, 3);
  }
});
