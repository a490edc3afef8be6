/** Writes what is generated from the option specs: config.example.properties and the help page of all keys. */

import { exampleProperties, keysPage } from "../config/docs.ts";
import { EXAMPLE_VALUES, REGISTRY } from "../registry.ts";

const root = new URL("../../", import.meta.url);

await Deno.writeTextFile(new URL("config.example.properties", root), exampleProperties(REGISTRY, EXAMPLE_VALUES));
await Deno.writeTextFile(new URL("src/help/keys.md", root), keysPage(REGISTRY));
