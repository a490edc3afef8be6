import { sealed } from "../../../src/runtime/sealed_json.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { JobFile, type JobPlan, NO_PROGRESS, rangeId } from "../../../src/replay/job_file.ts";
import { FatalError } from "../../../src/runtime/errors.ts";
import type { Manifest } from "../../../src/target/manifest.ts";
import { inScratchDirectory, modeOf } from "../../support/scratch.ts";
import { fakePlan } from "./fake_ranges.ts";

const RANGE = {
  splits: fakePlan([{ split: "a/0", records: [1, 2] }, { split: "a/1", records: [1] }]),
  weightUnit: "records",
  missing: [],
} as const;

function planOf(fields: Partial<JobPlan> = {}): JobPlan {
  return {
    id: rangeId(RANGE),
    from: "2026-11-01T00:00:00.000Z",
    to: null,
    prefix: "",
    historical: false,
    incremental: true,
    settings: {},
    unitByteLength: 1 << 20,
    range: RANGE,
    ...fields,
  };
}

const PROGRESS = { positions: new Map([["a/0", "1"]]), rotation: { ended: ["a/1"], open: ["a/0"] }, missing: ["x"] };

function manifest(unit: string, rows = 1): Manifest {
  const counts = { records: rows, recordBytes: 9, rows, deadLetters: 0, dropped: {} };
  const range = { split: "a/0", epoch: "1", start: "0", next: "1", minTimestamp: null, maxTimestamp: null, ...counts };
  return { version: 1, unit, trigger: "cut", ranges: [range], objects: [], deadLetters: null };
}

function jobTest(name: string, work: (directory: string) => Promise<void>): void {
  Deno.test(`JobFile ${name}`, () => inScratchDirectory(work));
}

/** Opens the job as another process would after this one: does the work, and lets go of it. */
async function withJob<T>(directory: string, work: (job: JobFile) => T | Promise<T>): Promise<T> {
  const job = await JobFile.open(directory, "nightly");
  assert(job !== null, "the lock is free");
  try {
    return await work(job);
  } finally {
    await job.release();
  }
}

function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(join(directory, "nightly"))].map(({ name }) => name).sort();
}

jobTest("has nothing to do when it is new", async (directory) => {
  await withJob(join(directory, "not", "there"), async (job) => {
    assertEquals([job.name, job.plan, job.last.positions.size], ["nightly", null, 0]);
    assertEquals([job.progress, await job.units()], [NO_PROGRESS, []]);
  });
});

jobTest("keeps plan, progress and units for the next process", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.save({ positions: new Map([["a/0", "0"]]), rotation: { ended: [], open: ["a/0"] }, missing: [] });
    await job.save(PROGRESS);
    await job.note(manifest("u1"));
    assertEquals([job.plan, job.progress], [planOf(), PROGRESS]);
  });
  await withJob(directory, async (job) => {
    assertEquals({ ...job.plan! }, { version: 1, ...planOf() } as JobPlan);
    assertEquals(job.progress, PROGRESS);
    assertEquals(await job.units(), [manifest("u1")]);
  });
});

jobTest("forgets the run when it is finished, and knows where it ended", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.save(PROGRESS);
    await job.note(manifest("u1"));
    await job.finish(new Map([["a/0", "2"], ["a/1", "1"]]));
    assertEquals([job.plan, job.progress], [null, NO_PROGRESS]);
    await job.finish(new Map([["a/0", "2"], ["a/1", "1"]])); // after a crash that came late
    await job.start(planOf());
    await job.finish(new Map([["a/1", "7"], ["b/0", "3"]]));
  });
  assertEquals(namesIn(directory), ["last.json", "lock"]);
  await withJob(directory, (job) => {
    assertEquals([...job.last.positions], [["a/0", "2"], ["a/1", "7"], ["b/0", "3"]]);
    assertEquals([...job.last.details], [["a/0", {}], ["a/1", {}]]);
    assertEquals([job.plan, job.progress], [null, NO_PROGRESS]);
  });
});

jobTest(
  "forgets the ends that nobody has seen for longest, never those of what is there",
  async (directory) => {
    await withJob(directory, async (job) => {
      await job.start(planOf());
      await job.finish(new Map(Array.from({ length: 200_000 }, (_, i) => [`f/${i}`, "1"])));
      const plan = planOf();
      await job.start({ ...plan, range: { ...plan.range, unchanged: ["f/0"] } });
      await job.finish(new Map([["g/0", "1"], ["f/2", "5"]]));
      const { positions } = job.last;
      assertEquals(positions.size, 200_000);
      const some = ["f/0", "f/1", "f/2", "f/3", "g/0"].map((split) => positions.get(split));
      assertEquals(some, ["1", undefined, "5", "1", "1"]);
    });
  },
);

jobTest("keeps how far a run got that is given up, so that none of it is read twice", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.finish(new Map([["a/0", "0"], ["a/1", "1"]]));
    await job.start(planOf());
    await job.save({ ...PROGRESS, positions: new Map([["a/0", "1"]]) });
    await job.discard();
    assertEquals([job.plan, job.progress], [null, NO_PROGRESS]);
  });
  await withJob(directory, (job) => {
    assertEquals([...job.last.positions], [["a/1", "1"], ["a/0", "1"]]);
    assertEquals([...job.last.details], [["a/1", {}]], "nobody knows that a/0 is read to its end");
  });
});

jobTest("keeps no end of a run that none goes on from", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.finish(new Map([["a/0", "2"]]));
    await job.start(planOf({ incremental: false }));
    await job.save(PROGRESS);
    await job.finish(new Map([["a/0", "1"], ["a/1", "1"]]));
    assertEquals([job.plan, job.progress], [null, NO_PROGRESS]);
  });
  assertEquals(namesIn(directory), ["last.json", "lock"]);
  await withJob(directory, (job) => assertEquals([job.plan, [...job.last.positions]], [null, [["a/0", "2"]]]));
});

jobTest("begins at the start of a range that was read before and whose files a crash left", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.save(PROGRESS);
    await job.note(manifest("u1"));
  });
  await Deno.remove(join(directory, "nightly", "plan.json")); // it was finishing
  await withJob(directory, async (job) => {
    assertEquals([job.plan, job.progress], [null, NO_PROGRESS]);
    await job.start(planOf());
    assertEquals(await job.units(), []);
  });
  await withJob(directory, async (job) => {
    assertEquals(job.plan?.id, planOf().id);
    assertEquals([job.progress, await job.units()], [NO_PROGRESS, []], "nothing of it is read yet");
  });
});

jobTest("leaves out the progress of another run", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.save(PROGRESS);
  });
  const path = join(directory, "nightly", "progress.json");
  const other = (await Deno.readTextFile(path)).replace(planOf().id, "0000000000000000");
  await Deno.writeTextFile(path, sealed(other.replace(/,"crc32":"\w+"/, "")));
  await withJob(directory, (job) => assertEquals(job.progress, NO_PROGRESS));
});

jobTest("has each unit once, by name, whatever a crash cut off", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    await job.note(manifest("u2"));
    await job.note(manifest("u1"));
    await job.note(manifest("u2", 5));
  });
  const path = join(directory, "nightly", "units.ndjson");
  const whole = await Deno.readFile(path);
  await Deno.writeTextFile(path, JSON.stringify(manifest("ü3")), { append: true });
  const torn = await Deno.readFile(path);
  for (let length = whole.length; length < torn.length; length++) {
    await Deno.writeFile(path, torn.subarray(0, length));
    await withJob(directory, async (job) => {
      assertEquals(await job.units(), [manifest("u1"), manifest("u2", 5)]);
      if (length % 40 !== 0) return;
      await job.note(manifest("u4"));
      assertEquals((await job.units()).map(({ unit }) => unit), ["u1", "u2", "u4"]);
    });
  }
  await Deno.writeFile(path, torn);
  await withJob(directory, async (job) => {
    assertEquals((await job.units()).map(({ unit }) => unit), ["u1", "u2", "ü3"], "only the line end was cut off");
  });
});

const DAMAGED: [string, string, string][] = [
  ["plan.json", "", "JSON"],
  ["plan.json", '{"version":1,"id":"7"', "JSON"],
  ["plan.json", "null", "it isn't an object"],
  ["plan.json", '{"version":2}', "its version is 2, not 1"],
  ["plan.json", '{"version":1,"id":"7","unitByteLength":1,"settings":{}}', "it has no range"],
  ["last.json", '{"version":1,"details":{}}', "it has no positions"],
  ["last.json", '{"version":1,"positions":{}}', "it has no details"],
  ["last.json", "{]", "JSON"],
  ["progress.json", '{"version":1,"id":"x","positions":{}}', "it has no rotation"],
  ["progress.json", "\0\0\0", "JSON"],
  [
    "progress.json",
    sealed('{"version":1,"id":"x","positions":{"a/0":"7"}}').replace('"7"', '"8"'),
    "its checksum is wrong",
  ],
  ["plan.json", '{"version":1,"crc33":"00000000"}', "it is damaged"],
];

jobTest("says which file is damaged, and what to do", async (directory) => {
  for (const [name, contents, problem] of DAMAGED) {
    await withJob(directory, (job) => job.start(planOf()));
    const path = join(directory, "nightly", name);
    await Deno.writeTextFile(path, contents);
    const error = await assertRejects(() => JobFile.open(directory, "nightly"), FatalError, problem);
    assert(error.message.startsWith(`can't use ${path}: `), error.message);
    assert(error.message.includes(`delete ${join(directory, "nightly")} to begin`), error.message);
    await Deno.remove(join(directory, "nightly"), { recursive: true });
  }
});

jobTest("is locked for this process, and for others", async (directory) => {
  await withJob(directory, async () => {
    assertEquals(await JobFile.open(directory, "nightly"), null);
    const other = await JobFile.open(directory, "hourly");
    await other!.release();
    await other!.release();
  });
  const lock = join(directory, "nightly", "lock");
  const program = `
    const file = await Deno.open(${JSON.stringify(lock)}, { write: true });
    console.log(await file.tryLock(true));
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const holder = new Deno.Command(Deno.execPath(), { args: ["eval", program], stdout: "piped" }).spawn();
  try {
    const { value } = await holder.stdout.getReader().read();
    assertEquals(new TextDecoder().decode(value), "true\n");
    assertEquals(await JobFile.open(directory, "nightly"), null);
  } finally {
    holder.kill("SIGKILL");
    await holder.status;
  }
  await withJob(directory, () => {}); // the system freed the lock
});

jobTest("says what can't be read or written", async (directory) => {
  await Deno.writeTextFile(join(directory, "nightly"), "a file where a folder should be");
  await assertRejects(() => JobFile.open(directory, "nightly"), FatalError, "can't lock the job " + directory);
  await Deno.remove(join(directory, "nightly"));
  await withJob(directory, async (job) => {
    await Deno.mkdir(join(directory, "nightly", "units.ndjson", "x"), { recursive: true });
    await assertRejects(() => job.note(manifest("u1")), FatalError, "can't write the job's files in " + directory);
    await assertRejects(() => job.units(), FatalError, "can't read the job's files in " + directory);
  });
});

Deno.test("rangeId() is that of the range", () => {
  const id = rangeId(RANGE);
  assertEquals(rangeId({ ...RANGE, missing: ["something"] }), id);
  const [first, second] = RANGE.splits;
  const others = [
    [second, first],
    [first],
    [{ ...first, start: "1" }, second],
    [{ ...first, end: null }, second],
    [{ ...first, details: { path: "/x" } }, second],
  ];
  const ids = others.map((splits) => rangeId({ ...RANGE, splits }));
  assertEquals(new Set([id, ...ids]).size, 1 + others.length);
});

jobTest("has units whose lines are longer than what is read at a time", async (directory) => {
  await withJob(directory, async (job) => {
    await job.start(planOf());
    const names = ["u1", "u2", "u3"].map((name) => name.padEnd(100_000, "\u00fc"));
    for (const name of names) await job.note(manifest(name));
    assertEquals((await job.units()).map(({ unit }) => unit), names);
  });
});

jobTest("is its owner's alone", async (directory) => {
  if (Deno.build.os === "windows") return;
  const job = await JobFile.open(join(directory, "jobs"), "nightly");
  await job!.start(planOf());
  await job!.note(manifest("u"));
  const own = join(directory, "jobs/nightly");
  const modes = ["", "lock", "plan.json", "units.ndjson"].map((name) => modeOf(join(own, name)));
  assertEquals(await Promise.all(modes), ["700", "600", "600", "600"]);
  assertEquals(await modeOf(join(directory, "jobs")), (0o777 & ~Deno.umask()).toString(8));
  await job!.release();
});
