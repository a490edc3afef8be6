import { assertEquals, assertThrows } from "@std/assert";
import {
  compressionLevelOf,
  contentTypeOf,
  type EncodeConfig,
  encodeConfigProblems,
  encodeOptions,
  fileExtensionOf,
} from "../../../src/encode/options.ts";

const defaults: EncodeConfig = {
  keyTemplate: encodeOptions.keyTemplate.defaultValue,
  rowFormat: encodeOptions.rowFormat.defaultValue,
  compression: encodeOptions.compression.defaultValue,
  compressionLevel: encodeOptions.compressionLevel.defaultValue,
  fileExtension: encodeOptions.fileExtension.defaultValue,
};

Deno.test("the defaults are a file a project, rakam rows, gzip at level 5, .ndjson.gz", () => {
  assertEquals(defaults.keyTemplate.text, "{project}");
  assertEquals([defaults.rowFormat, defaults.compression], ["rakam", "gzip"]);
  assertEquals([compressionLevelOf(defaults), fileExtensionOf(defaults)], [5, ".ndjson.gz"]);
  assertEquals(encodeConfigProblems(defaults), []);
});

Deno.test("the level, extension and content type go by the compression", () => {
  const of = (compression: EncodeConfig["compression"], compressionLevel?: number) => {
    const config = { ...defaults, compression, compressionLevel };
    return [compressionLevelOf(config), fileExtensionOf(config), contentTypeOf(compression)];
  };
  assertEquals(of("gzip", 9), [9, ".ndjson.gz", "application/gzip"]);
  assertEquals(of("zstd"), [3, ".ndjson.zst", "application/zstd"]);
  assertEquals(of("none", 7), [0, ".ndjson", "application/x-ndjson"]);
  assertEquals(fileExtensionOf({ ...defaults, fileExtension: ".ndjson.gzip" }), ".ndjson.gzip");
});

Deno.test("a level that the compression doesn't have is a problem", () => {
  const problems = (compression: EncodeConfig["compression"], compressionLevel: number) =>
    encodeConfigProblems({ ...defaults, compression, compressionLevel }).map(({ key, message }) =>
      `${key}: ${message}`
    );
  assertEquals(problems("gzip", 9), []);
  assertEquals(problems("gzip", 10), ["target.compression.level: must be at most 9 for gzip"]);
  assertEquals(problems("zstd", 19), []);
  assertEquals(problems("none", 19), []);
  assertThrows(() => encodeOptions.compressionLevel.parse("20"), RangeError, "at most 19");
});

Deno.test("a file extension can't hold a slash or lack its dot", () => {
  for (const text of [".ndjson.gzip", ".json.gz", ".gz", ".x_y-z"]) {
    assertEquals(encodeOptions.fileExtension.parse(text), text);
  }
  for (const text of ["gz", "..", ".", "/x", ".a/b", ".ndjson.", ".é", ".a b"]) {
    assertThrows(() => encodeOptions.fileExtension.parse(text), RangeError, "must begin with a dot");
  }
});

Deno.test("a key template is checked where it is read", () => {
  assertEquals(encodeOptions.keyTemplate.parse("{project}/{table}").needsTable, true);
  assertThrows(() => encodeOptions.keyTemplate.parse("{projekt}"), RangeError, "unknown placeholder {projekt}");
});
