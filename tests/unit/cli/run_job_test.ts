/** Jobs over ranges in memory: where runs of one name begin, and what a run leaves for the next one. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseInvocation } from "../../../src/cli/arguments.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";
import type { JobRequest } from "../../../src/replay/job_plan.ts";
import { runAskedJob } from "../../../src/cli/run_job.ts";
import type { JobSettings } from "../../../src/replay/job_settings.ts";
import { loadConfig } from "../../../src/cli/load_config.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import type { Position, SplitId } from "../../../src/records/position.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { FakeRanges, type FakeSplit } from "../replay/fake_ranges.ts";
import { FakeHost } from "./fake_host.ts";

const REQUEST: JobRequest = {
  name: "j",
  prefix: "",
  historical: false,
  fromText: null,
  toText: null,
  fixed: false,
  resumes: false,
  incremental: false,
  wait: false,
  discard: false,
  rate: null,
};

class PublishingRanges extends FakeRanges {
  constructor(splits: readonly FakeSplit[], readonly places: Record<SplitId, Position>[]) {
    super(splits, new SeededRandom(1));
  }

  publish(_job: string, positions: ReadonlyMap<SplitId, Position>): Promise<void> {
    this.places.push(Object.fromEntries(positions));
    return Promise.resolve();
  }
}

/** Runs the job once. Returns its exit code, where it was told to go on, and what it published. */
async function runOnce(
  directory: string,
  { request, splits, fails = false, endpoint, settings = {}, quiet = true, strict = false }: {
    request?: Partial<JobRequest>;
    settings?: JobSettings;
    splits: readonly FakeSplit[];
    fails?: boolean;
    quiet?: boolean;
    strict?: boolean;
    /** Of an S3 that is the target in place of the console; a signal comes as soon as it turned out to fail. */
    endpoint?: string;
  },
) {
  const sets = [
    "stream.source=file",
    "file.path=x",
    ...endpoint === undefined ? ["target=console"] : [],
    `replay.directory=${directory}`,
  ];
  const more = ["pipeline.workers=0", "dead-letter.policy=drop", "shutdown.timeout=1s"];
  const host = new FakeHost({ args: [] });
  if (endpoint !== undefined) {
    more.push(
      "target=s3",
      "target.aws.s3-bucket=b",
      `target.aws.s3-endpoint=${endpoint}`,
      "target.aws.region=r",
    );
    more.push("target.access-key=k", "target.secret-access-key=s");
    const { write } = host.stderr;
    host.stderr.write = (text) => {
      write(text);
      if (text.includes("fails, trying again")) host.send("SIGTERM");
    };
  }
  const { args } = parseInvocation(["replay", ...[...sets, ...more].flatMap((set) => ["--set", set])], COMMANDS);
  const { config } = await loadConfig(args, host);
  const published: Record<SplitId, Position>[] = [];
  let resumed: Record<SplitId, Position> | null = null;
  const code = await runAskedJob({
    request: { ...REQUEST, ...request },
    settings,
    dryRun: false,
    ...{ quiet, strict },
    configOf: () => config,
    ranges: () => {
      const ranges = new PublishingRanges(splits, published);
      if (fails) ranges.onRead = () => Promise.reject(new Error("down"));
      return ranges;
    },
    plan: (ranges, { resume }) => {
      resumed = Object.fromEntries(resume);
      return (ranges as PublishingRanges).plan();
    },
  }, host);
  return { code, resumed, published, errors: host.errors };
}

const records = (count: number) => Array<number>(count).fill(10);

Deno.test("a job goes on where its last incremental run ended, whatever else ran under its name", async () => {
  await inScratchDirectory(async (directory) => {
    const incremental = { request: { resumes: true, incremental: true } };
    const first = await runOnce(directory, { ...incremental, splits: [{ split: "t/0", records: records(4) }] });
    assertEquals([first.code, first.resumed, first.published.at(-1)], [0, {}, { "t/0": "4" }], first.errors);
    const byHand = await runOnce(directory, { splits: [{ split: "t/0", records: records(9) }] });
    assertEquals([byHand.code, byHand.resumed, byHand.published], [0, {}, []]);
    const next = await runOnce(directory, { ...incremental, splits: [{ split: "t/0", records: records(9) }] });
    assertEquals([next.code, next.resumed], [0, { "t/0": "4" }], "records behind 4 would be lost");
  });
});

Deno.test("a run by hand that an incremental one finishes doesn't move where that goes on", async () => {
  await inScratchDirectory(async (directory) => {
    const incremental = { request: { resumes: true, incremental: true } };
    await runOnce(directory, { ...incremental, splits: [{ split: "t/0", records: records(4) }] });
    const splits = [{ split: "t/0", records: records(9) }];
    assertEquals((await runOnce(directory, { splits, fails: true })).code, 1);
    const { code, resumed, published, errors } = await runOnce(directory, { ...incremental, splits });
    assertEquals([code, resumed], [0, { "t/0": "4" }], errors);
    assertEquals(published.length, 1, "of the incremental run");
  });
});

Deno.test("a job that is stopped while its target fails says so, and is finished later", async () => {
  await inScratchDirectory(async (directory) => {
    const splits = [{ split: "t/0", records: records(4) }];
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ method }) => {
      return new Response(null, { status: method === "PUT" ? 503 : 200 });
    });
    const endpoint = `http://127.0.0.1:${server.addr.port}`;
    const stopped = await runOnce(directory, { splits, endpoint, quiet: false });
    assertEquals(stopped.code, 5, stopped.errors);
    assertStringIncludes(stopped.errors, "shutdown.timeout passed");
    const { code, errors } = await runOnce(directory, { splits, quiet: false });
    assertEquals(code, 0);
    assertStringIncludes(errors, "going on with the run that wasn't finished");
  });
});

Deno.test("an incremental job goes on behind splits with an open end, also where its target takes pages", async () => {
  await inScratchDirectory(async (directory) => {
    const splits = [{ split: "t/0", records: records(4), openEnd: true }, { split: "t/1", records: records(2) }];
    assertEquals((await runOnce(directory, { splits, request: { incremental: true } })).code, 0);
    const { resumed } = await runOnce(directory, { request: { resumes: true, incremental: true }, splits: [] });
    assertEquals(resumed, { "t/0": "4", "t/1": "2" });
  });
});

Deno.test("a run isn't finished with a config that stores under other names, or is another job's", async () => {
  await inScratchDirectory(async (directory) => {
    const splits = [{ split: "t/0", records: records(4) }];
    const settings = { "stream.source": "kafka", "target.key-template": "{project}" };
    assertEquals((await runOnce(directory, { splits, settings, fails: true })).code, 1);
    const changed = { "stream.source": "kafka", "target.key-template": "{project}/x", "kafka.topic": "a" };
    const refused = await runOnce(directory, { splits, settings: changed });
    assertEquals([refused.code, refused.resumed], [1, null]);
    const what =
      "kafka.topic was (not set) and is a; target.key-template was {project} and is {project}/x. Put it back";
    assertStringIncludes(refused.errors, what);
    assertEquals((await runOnce(directory, { splits, settings })).code, 0);
    assertEquals((await runOnce(directory, { splits, settings: changed })).code, 0, "nothing is unfinished");
    await runOnce(directory, { splits, settings, fails: true });
    assertEquals((await runOnce(directory, { splits, settings: changed, request: { discard: true } })).code, 0);
  });
});

Deno.test("a job whose records can't be decoded says so, quiet or not, and has a code for it when it is to be strict", async () => {
  await inScratchDirectory(async (directory) => {
    const splits = [{ split: "t/0", records: records(4) }];
    const { code, errors } = await runOnce(directory, { splits });
    assertEquals(code, 0);
    for (const text of ['"level":"WARN"', "a record can't be decoded", '"droppedByReason":"4 dead-letter"']) {
      assertStringIncludes(errors, text);
    }
    assertEquals((await runOnce(directory, { splits, strict: true })).code, 6);
    const none = await runOnce(directory, { splits: [], strict: true });
    assertEquals([none.code, none.errors], [0, ""]);
  });
});

Deno.test("a strict job knows of records that a process before it could not decode", async () => {
  await inScratchDirectory(async (directory) => {
    const splits = [{ split: "t/0", records: records(4) }];
    assertEquals((await runOnce(directory, { splits, fails: true, strict: true })).code, 1);
    assertEquals((await runOnce(directory, { splits, strict: true })).code, 6);
  });
});
