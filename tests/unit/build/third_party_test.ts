import { assertEquals, assertStringIncludes } from "@std/assert";
import { bomOf, noticesText, packageFolders } from "../../../src/build/third_party.ts";

const PRODUCT = { version: "1.2.3", denoVersion: "2.8.3" };
const PARTIES = [
  { name: "@a/one", version: "1.0.0", license: "MIT", notices: ["Same text."] },
  { name: "three", version: "3.0.0", license: "ISC", notices: [] },
  { name: "two", version: "2.0.0", license: "MIT", notices: ["Same text."] },
];

Deno.test("packageFolders() finds the packages in a bundle's comments, each once", () => {
  const code = [
    "// src/main.ts",
    "// ../cache/npm/host/@a/one/1.0.0/dist/index.js",
    "  // ../cache/npm/host/two/2.0.0/index.js",
    "// ../cache/npm/host/two/2.0.0/lib/more.js",
    "// ../elsewhere/npm/host/four/4.0.0/index.js",
    'const text = "// ../cache/npm/host/five/5.0.0/index.js";',
  ];
  assertEquals(packageFolders(code.join("\n"), "/home/collector", "/home/cache/npm"), [
    "host/@a/one/1.0.0",
    "host/two/2.0.0",
  ]);
});

Deno.test("noticesText() has each text once, below all that it is of", () => {
  const text = noticesText(PARTIES, PRODUCT);
  assertStringIncludes(text, "\n@a/one 1.0.0 (MIT)\ntwo 2.0.0 (MIT)\n\nSame text.\n");
  assertStringIncludes(text, "\nthree 3.0.0 (ISC)\n\nIt comes without a text; its licence is ISC.\n");
  assertStringIncludes(text, "Deno 2.8.3 (MIT)\n");
});

Deno.test("bomOf() names packages as CycloneDX does, with the lock's hashes and dependencies", () => {
  const integrity = `sha512-${new Uint8Array(64).fill(0xab).toBase64()}`;
  const locked = {
    "@a/one@1.0.0": { integrity, dependencies: ["two", "unused@9.0.0"] },
    "two@2.0.0": { integrity },
    "three@3.0.0": { integrity, dependencies: ["@a/one@1.0.0"] },
  };
  const bom = JSON.parse(JSON.stringify(bomOf(PARTIES, locked, PRODUCT)));
  assertEquals([bom.bomFormat, bom.specVersion, bom.metadata.component.version], ["CycloneDX", "1.6", "1.2.3"]);
  assertEquals(bom.components[1], {
    type: "library",
    "bom-ref": "pkg:npm/%40a/one@1.0.0",
    group: "@a",
    name: "one",
    version: "1.0.0",
    purl: "pkg:npm/%40a/one@1.0.0",
    hashes: [{ alg: "SHA-512", content: "ab".repeat(64) }],
    licenses: [{ expression: "MIT" }],
  });
  const [one, two, three] = ["%40a/one@1.0.0", "two@2.0.0", "three@3.0.0"].map((name) => `pkg:npm/${name}`);
  assertEquals(bom.dependencies, [
    { ref: "collector", dependsOn: ["deno", one, three, two] },
    { ref: one, dependsOn: [two] },
    { ref: three, dependsOn: [one] },
    { ref: two, dependsOn: [] },
  ]);
});
