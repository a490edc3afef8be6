import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseInvocation } from "../../../src/cli/arguments.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { checkJobSettings, jobSettingsOf } from "../../../src/replay/job_settings.ts";
import { loadConfig } from "../../../src/cli/load_config.ts";
import { FatalError } from "../../../src/runtime/errors.ts";
import { FakeHost } from "../cli/fake_host.ts";

async function settingsOf(...sets: string[]) {
  const { args } = parseInvocation(["replay", ...sets.flatMap((set) => ["--set", set])], COMMANDS);
  return jobSettingsOf(await loadConfig(args, new FakeHost()));
}

const S3 = ["stream.source=kafka", "kafka.nodes=a:1", "kafka.topic=t", "target=s3", "target.aws.s3-bucket=b"];

Deno.test("jobSettingsOf() has what decides places and names, and no secret", async () => {
  const settings = await settingsOf(...S3, "target.access-key=AKIA", "target.secret-access-key=hush");
  assertEquals([settings["target.aws.s3-bucket"], settings["kafka.topic"]], ["b", "t"]);
  assertMatch(settings["target.key-template"], /project/);
  assertEquals(JSON.stringify(settings).includes("hush"), false);
});

Deno.test("checkJobSettings() lets a run go on with what only says how, and refuses what says where", async () => {
  const before = await settingsOf(...S3);
  for (
    const how of ["kafka.nodes=b:2", "pipeline.workers=1", "target.compression.level=9", "dead-letter.policy=drop"]
  ) {
    checkJobSettings(before, await settingsOf(...S3, how));
  }
  const wheres = [
    "kafka.topic=u",
    "target.aws.s3-bucket=c",
    "target.aws.s3-prefix=p",
    "target.key-template=x/{project}",
  ];
  for (const where of [...wheres, "target.compression=zstd", "target.aws.s3-max-data-size=1MB"]) {
    const now = await settingsOf(...S3, where);
    assertThrows(() => checkJobSettings(before, now), FatalError, `${where.split("=")[0]} was `);
  }
});
