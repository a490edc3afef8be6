import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { main } from "../../../src/cli/main.ts";
import { Terminal } from "../../../src/cli/terminal.ts";
import { progressLine, showProgress } from "../../../src/cli/verify_progress.ts";
import { formatReport } from "../../../src/cli/verify_report.ts";
import { PAGES } from "../../../src/help/pages.ts";
import type { Finding } from "../../../src/verify/findings.ts";
import type { VerifyReport } from "../../../src/verify/report.ts";
import { newProgress } from "../../../src/verify/progress.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { testRuntime } from "../../support/stored_object.ts";
import { FakeHost } from "./fake_host.ts";

/** Rows of the demo source in a directory, and how to look at them. */
function inCollected(
  run: (verify: (...args: string[]) => Promise<FakeHost & { code: number }>, directory: string) => Promise<void>,
): Promise<void> {
  const set = (config: Record<string, string>) =>
    Object.entries(config).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const demo = { "stream.source": "demo", "demo.total": "100", "demo.rate": "0", "pipeline.workers": "0" };
  const start = async (...args: string[]) => {
    const host = new FakeHost({ args });
    return Object.assign(host, { code: await main(host) });
  };
  return inScratchDirectory(async (directory) => {
    const target = { "target": "file", "target.file.directory": join(directory, "out") };
    assertEquals((await start("run", ...set({ ...demo, ...target }))).code, 0);
    await run((...args) => start("verify", ...set({ ...demo, ...target }), ...args), directory);
  });
}

Deno.test("verify says what nobody can know of a source without committed positions", () =>
  inCollected(async (verify) => {
    const plain = await verify("--deep");
    assertEquals([plain.code, plain.errors], [0, ""]);
    assertStringIncludes(plain.output.text(), "stream.source=demo keeps no positions that can be asked for");
    assertStringIncludes(plain.output.text(), "everything is there\n");
    assertEquals((await verify("--quiet")).output.text(), "");
    const skipped = await verify("--skip-committed");
    assertMatch(skipped.output.text(), /^committed {5}not compared$/m);
    const marked = await verify("--hour-markers", "--json");
    const report = JSON.parse(marked.output.text());
    assertEquals(marked.code, 0);
    assertEquals(Object.keys(report.counts), ["committed-unknown", "ends-unknown"]);
  }));

Deno.test("verify with a source that can't be asked ends with 1, with 4 when something is missing besides", () =>
  inCollected(async (verify, directory) => {
    const checkpoint = join(directory, "checkpoint.json");
    await Deno.writeTextFile(checkpoint, "no checkpoint file");
    const files = ["--set", "stream.source=file", "--set", "file.path=x", "--set", `file.checkpoint=${checkpoint}`];
    const asked = await verify(...files);
    assertEquals(asked.code, 1);
    assertStringIncludes(asked.output.text(), "can't use the checkpoint file");
    assertStringIncludes(asked.output.text(), "not everything could be looked at\n");
    assertEquals((await verify(...files, "--skip-committed", "--quiet")).output.text(), "");
    for await (const { name } of Deno.readDir(join(directory, "out"))) {
      if (!name.startsWith("_")) await Deno.remove(join(directory, "out", name), { recursive: true });
    }
    const damaged = await verify(...files);
    assertEquals(damaged.code, 4);
    assertMatch(damaged.output.text(), /^FAILED {3}\d+ objects? (is|are) missing$/m);
    assertMatch(damaged.output.text(), /^UNKNOWN {2}1 source can't be asked$/m);
  }));

const NOTHING: VerifyReport = {
  ...{ outcome: "ok", depth: "listing", committed: "compared", manifests: 2, otherPrefixes: [] },
  objects: { objects: 3, byteLength: 3 * 2 ** 20, good: 3 },
  deadLetterObjects: { objects: 0, byteLength: 0, good: 0 },
  unlisted: { objects: 0, byteLength: 0 },
  totals: { records: 10, rows: 10, deadLetters: 0, dropped: 0 },
  gone: { expired: 0, skipped: 0, records: 0, unknown: 0 },
  redriven: { records: 0, rows: 0, deadLetters: 0, dropped: 0, ranges: 0 },
  replays: { reports: 0, unusable: 0, uncovered: 0 },
  ...{ splitCount: 0, splits: [], counts: {}, findings: [] },
};

function split(name: string, next: string) {
  return {
    ...{
      split: name,
      covered: [{ start: "0", next }],
      coveredCount: 1,
      gaps: 0,
      pendingGaps: 0,
      overlaps: 0,
      units: 1,
    },
    ...{ records: 5, rows: 1234, deadLetters: 0, dropped: 0, minTimestamp: null, maxTimestamp: null, committed: null },
    beyond: false,
    gone: { expired: 0, skipped: 0, records: 0, unknown: 0 },
  };
}

Deno.test("the report of an audit is a few aligned lines", () => {
  const splits = [split("orders/0", "1000"), split("orders/10", "5"), split("s/shard-1", "9".repeat(64)), {
    ...split("s/shard-2", `${"4".repeat(56)}:3`),
    ...{ gaps: 2, coveredCount: 3 },
  }];
  const text = formatReport({ ...NOTHING, splits, splitCount: 4, otherPrefixes: ["replay"] });
  assertEquals(
    text,
    `manifests     2
objects       3, 3 MB, all there; sizes compared
records       10: 10 rows
elsewhere     replay has manifests of its own: see --prefix

split      covered                                     units  records   rows  dead letters  dropped  gaps  overlaps
orders/0   0 to 1000                                       1        5  1,234             0        0     0         0
orders/10  0 to 5                                          1        5  1,234             0        0     0         0
s/shard-1  0 to its end                                    1        5  1,234             0        0     0         0
s/shard-2  0 to 4444...44444444444:3 and 2 more parts      1        5  1,234             0        0     2         0

everything is there
`,
  );
});

Deno.test("long lists of the report are cut, and say how many there are", () => {
  const findings: Finding[] = Array.from({ length: 1000 }, (_, i) => ({ kind: "missing-object", message: `key ${i}` }));
  const text = formatReport({
    ...{ ...NOTHING, outcome: "incomplete", counts: { "missing-object": 1_234_567 }, findings, splitCount: 5000 },
    splits: Array.from({ length: 1000 }, (_, i) => split(`t/${i}`, "1")),
  });
  const lines = text.split("\n");
  assertEquals(lines.filter((line) => /^ +key \d+$/.test(line)).length, 20);
  assert(lines.includes("         and 1,234,547 more"), text);
  assert(lines.includes("and 4,980 more splits"), text);
  assert(lines.includes("FAILED   1,234,567 objects are missing"), text);
  assertEquals(lines.at(-2), "something is missing or damaged");
});

Deno.test("the report says when only strictness makes it fail", () => {
  const counts = { overlap: 1 };
  const text = formatReport({
    ...NOTHING,
    outcome: "incomplete",
    counts,
    findings: [{ kind: "overlap", message: "x" }],
  });
  assertStringIncludes(text, "\nwarning  1 range is there twice\n         x\n");
  assertStringIncludes(text, "\nsomething is there twice, or in no manifest\n");
});

Deno.test("the progress line says what is being looked at", () => {
  assertEquals(
    progressLine({ stage: "manifests", manifests: 1234, objects: 0, readByteLength: 0 }),
    "looking at manifests: 1,234 manifests",
  );
  assertEquals(
    progressLine({ stage: "objects", manifests: 1, objects: 56_789, readByteLength: 2 ** 30 }),
    "looking at objects: 1 manifests, 56,789 objects, 1 GB read",
  );
});

Deno.test("the report of an audit says what became of replays", () => {
  const cases = [
    [1, 0, 0, "1 report, all covered"],
    [1234, 0, 0, "1,234 reports, all covered"],
    [2, 0, 3, "2 reports, not all covered"],
    [2, 1, 0, "2 reports, 1 of them can't be used"],
    [3, 1, 1, "3 reports, 1 of them can't be used, not all covered"],
  ] as const;
  for (const [reports, unusable, uncovered, expected] of cases) {
    const text = formatReport({ ...NOTHING, replays: { reports, unusable, uncovered } });
    assertStringIncludes(text, `\nreplays       ${expected}\n`);
  }
  assert(!formatReport(NOTHING).includes("replays"));
});

Deno.test("progress is shown on a terminal, and taken away at the end", async () => {
  for (const isTerminal of [true, false]) {
    const host = new FakeHost({ isTerminal }), clock = new ManualClock();
    const ended = new AbortController();
    const options = { terminal: new Terminal(host.stderr), runtime: testRuntime({ clock }) };
    const showing = showProgress({ ...newProgress(), manifests: 7 }, options, ended.signal);
    clock.advance(500);
    while (isTerminal && !host.errors.includes("7 manifests")) await Promise.resolve();
    ended.abort();
    await showing;
    assertEquals(host.errors, isTerminal ? "\r\x1b[2Klooking at manifests: 7 manifests\r\x1b[2K" : "");
  }
});

/** The report that the help shows, as numbers. */
function helpReport(): VerifyReport {
  const none = {
    gaps: 0,
    overlaps: 0,
    gone: { expired: 0, skipped: 0, records: 0, unknown: 0 },
    dropped: 0,
    pendingGaps: 0,
    minTimestamp: null,
    maxTimestamp: null,
  };
  const split = (split: string, next: string, records: number, others: object) => ({
    ...{ ...none, split, covered: [{ start: "0", next }], coveredCount: 1, records, rows: records, deadLetters: 0 },
    ...{ units: 1, committed: "1828895", beyond: false, ...others },
  });
  const totals = { records: 0, rows: 0, deadLetters: 0, dropped: 0 };
  const key = "orders-0_000001048546_c70ec9295f1f4c72";
  const lost = "orders/1 is committed at 1828895, and manifests cover it up to 1048546 only: what is between them is " +
    "missing and will not be read again";
  return {
    outcome: "incomplete",
    depth: "listing",
    committed: "compared",
    manifests: 3,
    objects: { objects: 10, byteLength: 256_000, good: 9 },
    deadLetterObjects: { objects: 1, byteLength: 412, good: 1 },
    unlisted: { objects: 0, byteLength: 0 },
    otherPrefixes: [],
    totals: { records: 51_520, rows: 51_518, deadLetters: 2, dropped: 0 },
    gone: { expired: 0, skipped: 0, records: 0, unknown: 0 },
    redriven: { ...totals, ranges: 0 },
    replays: { reports: 0, unusable: 0, uncovered: 0 },
    splitCount: 2,
    splits: [
      split("orders/1", "1048546", 11_518, { beyond: true }),
      split("orders/0", "1828895", 40_002, { units: 2, rows: 40_000, deadLetters: 2 }),
    ],
    counts: { "committed-beyond": 1, "missing-object": 1 },
    findings: [
      { kind: "committed-beyond", message: lost },
      {
        kind: "missing-object",
        message: `shop/${key}-0000.ndjson.gz: missing, _manifests/orders/${key}.json lists it`,
      },
    ],
  };
}

Deno.test("the help's example of a report is what verify prints", () => {
  const [, example] = /```text\n(.*?)```/s.exec(PAGES.verify)!;
  assertEquals(formatReport(helpReport()), example);
});
