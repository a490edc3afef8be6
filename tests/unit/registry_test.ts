import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { exampleProperties, keysPage } from "../../src/config/docs.ts";
import { FOREIGN_KEYS } from "../../src/config/foreign.ts";
import { legacyKey } from "../../src/config/legacy.ts";
import type { Option } from "../../src/config/option.ts";
import { resolveConfig } from "../../src/config/resolve.ts";
import { optionsOf } from "../../src/config/section.ts";
import { EXAMPLE_VALUES, REGISTRY } from "../../src/registry.ts";

const ROOT = new URL("../../", import.meta.url);

const GROUPS = [REGISTRY.sections, REGISTRY.sources, REGISTRY.targets]
  .flatMap((group) => Object.entries<{ readonly options: object }>(group));

function allOptions(): Option<unknown>[] {
  return GROUPS.flatMap(([, group]) => Object.values(optionsOf(group)));
}

/** Every key that the original collector reads, but for the parts that this one does without. */
const ORIGINAL_KEYS = `
stream.max-flush-duration stream.memory-max-flush-ratio middleware.max-flush-duration memory.heap-ratio
committer.thread.count kafka.nodes kafka.topic kafka.offset kafka.group.id kafka.session.timeout.ms
kafka.request.timeout.ms max.poll.records kafka.historical-data-topic historical.worker outdated.day.index
historical.max-flush-duration historical.max-flush-records source.data-format source.data-format.json.layout
kinesis.stream kinesis.max-records-per-batch kinesis.consumer-dynamodb-table aws.enable-cloudwatch
aws.kinesis-endpoint aws.dynamodb-endpoint aws.region aws.access-key aws.secret-access-key aws.s3-bulk-bucket
aws.s3-endpoint target.aws.region target.aws.s3-bucket target.aws.s3-endpoint target.access-key
target.secret-access-key target.aws.s3-max-data-size database.checkpoint-field database.time-field-name
database.user-field-name database.user-field-type database.whitelisted.collections
`.trim().split(/\s+/);

Deno.test("the registry knows every key of the original", () => {
  const known = new Set(allOptions().map(({ key }) => key));
  assertEquals(ORIGINAL_KEYS.filter((key) => !known.has(key)), []);
});

Deno.test("keys are written alike, described, and mean one thing", () => {
  const byKey = new Map<string, Option<unknown>>();
  for (const option of allOptions()) {
    const { key, doc } = option;
    assert(/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(key), `${key} is lower case, separated by single dots and dashes`);
    assert(/^[A-Za-z].*\.$/s.test(doc), `${key}'s doc is made of sentences: ${doc}`);
    assert(!/\s\s|\n/.test(doc), `${key}'s doc has single spaces`);
    assertEquals(legacyKey(key), undefined, `${key} is not a key of the past`);
    assert(option.defaultText === undefined || !option.required, `${key} is required or has a default`);
    const other = byKey.get(key);
    assert(other === undefined || other === option, `${key} is described by two different options`);
    byKey.set(key, option);
  }
});

Deno.test("keys that look like secrets are secret", () => {
  const names = /(access-key|password|secret|token|passphrase)$/;
  assertEquals(allOptions().filter(({ key, secret }) => names.test(key) && !secret).map(({ key }) => key), []);
});

Deno.test("config.example.properties is up to date (deno task docs)", async () => {
  const written = await Deno.readTextFile(new URL("config.example.properties", ROOT));
  assertEquals(written, exampleProperties(REGISTRY, EXAMPLE_VALUES));
});

Deno.test("the help page of all keys is up to date (deno task docs)", async () => {
  assertEquals(await Deno.readTextFile(new URL("src/help/keys.md", ROOT)), keysPage(REGISTRY));
});

Deno.test("config.example.properties is a config without problems or warnings", () => {
  const contents = exampleProperties(REGISTRY, EXAMPLE_VALUES);
  const file = { name: "example", contents };
  const { warnings, notes, listing } = resolveConfig({ registry: REGISTRY, file, sets: [], environment: {} });
  assertEquals([warnings, notes], [[], []]);
  const given = listing.filter(({ origin }) => origin !== "default").map(({ key }) => key);
  assertEquals(given.toSorted(), Object.keys(EXAMPLE_VALUES).toSorted());
});

Deno.test("the defaults that config.example.properties shows are the defaults", () => {
  const given = exampleProperties(REGISTRY, EXAMPLE_VALUES).replaceAll(/^#(?=[a-z0-9.-]+=)/gm, "");
  const resolve = (contents: string) =>
    resolveConfig({ registry: REGISTRY, file: { name: "example", contents }, sets: [], environment: {} }).config;
  const plain = (config: object) => JSON.stringify(config);
  assertEquals(plain(resolve(given)), plain(resolve(exampleProperties(REGISTRY, EXAMPLE_VALUES))));
});

Deno.test("the counterparts of other programs' keys are keys of ours, and theirs are none", () => {
  const ours = new Set([...allOptions().map(({ key }) => key), "stream.source", "target"]);
  for (const [theirs, text] of Object.entries(FOREIGN_KEYS)) {
    for (const key of text.replace(/ \(.*\)$/, "").split(", ")) assert(ours.has(key), `${theirs}: ${key}`);
    assert(!ours.has(theirs), theirs);
  }
  assertGreaterOrEqual(Object.keys(FOREIGN_KEYS).length, 60);
});
