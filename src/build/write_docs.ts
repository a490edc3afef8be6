/** Writes what is generated from the option specs: config.example.properties and the README's key table. */

import { EXAMPLE_VALUES, REGISTRY } from "../registry.ts";
import { exampleProperties, keyTable, withKeyTable } from "../config/docs.ts";

const root = new URL("../../", import.meta.url);
const readme = new URL("README.md", root);

await Deno.writeTextFile(
  new URL("config.example.properties", root),
  exampleProperties(REGISTRY, EXAMPLE_VALUES),
);
await Deno.writeTextFile(readme, withKeyTable(await Deno.readTextFile(readme), keyTable(REGISTRY)));
