import { assertEquals, assertRejects } from "@std/assert";
import type { Page } from "../../../src/columnar/page.ts";
import type { TableName } from "../../../src/columnar/types.ts";
import type { SealedUnit } from "../../../src/pipeline/unit.ts";
import { FatalError, RetriableError } from "../../../src/runtime/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { DeadLetterWriter } from "../../../src/target/dead_letter_writer.ts";
import { ObjectSink } from "../../../src/target/object_sink.ts";
import { PageUnitWriter } from "../../../src/target/page_unit_writer.ts";
import type { PageTarget } from "../../../src/target/target.ts";
import { EMPTY_OUTPUT } from "../pipeline/fake_port.ts";
import { MemoryTarget } from "./memory_target.ts";

function page(project: string, collection: string, positionCount: number): Page {
  const times = new Float64Array(positionCount);
  return {
    table: { project, collection },
    positionCount,
    columns: [],
    blocks: [],
    eventTimes: times,
    arrivalTimes: times,
    timeColumn: -1,
    userColumn: -1,
  };
}

const UNIT: SealedUnit = {
  name: "a-0_000000000000_0123456789abcdef",
  trigger: "age",
  ranges: [{ split: "a/0", epoch: 3n, start: "0", next: "6" }],
  outputs: [
    { ...EMPTY_OUTPUT, pages: [page("p", "c", 1), page("p", "d", 2)] },
    { ...EMPTY_OUTPUT, pages: [page("p", "c", 3)] },
  ],
};

/** Writes down what is called; commits fail with the errors in turn. */
function setup(failures: Error[] = []) {
  const calls: string[] = [];
  const name = ({ project, collection }: TableName) => `${project}.${collection}`;
  const target: PageTarget = {
    kind: "pages",
    open: () => Promise.resolve(),
    insert(table, unit) {
      const rows: number[] = [];
      return {
        addPage: ({ positionCount }) => void rows.push(positionCount),
        commit() {
          calls.push(`${unit.name} ${name(table)} ${rows}`);
          const failure = failures.shift();
          return failure === undefined ? Promise.resolve() : Promise.reject(failure);
        },
      };
    },
    close: () => Promise.resolve(),
  };
  const clock = { now: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const runtime = { clock, random: new SeededRandom(1), log: silentLog, metrics: new Metrics() };
  const sink = new ObjectSink({ target: new MemoryTarget(), writesInFlight: 1, runtime });
  const deadLetters = new DeadLetterWriter({ sink, prefix: "", compression: "gzip" });
  return { calls, runtime, writer: new PageUnitWriter({ target, deadLetters, writesInFlight: 1, runtime }) };
}

const { signal } = new AbortController();

Deno.test("PageUnitWriter inserts each table once, its pages in the order of the rows", async () => {
  const { calls, writer, runtime } = setup();
  await writer.write(UNIT, signal);
  assertEquals(calls, [`${UNIT.name} p.c 1,3`, `${UNIT.name} p.d 2`]);
  assertEquals(runtime.metrics.total("collector_written_rows_total"), 6);
});

Deno.test("PageUnitWriter inserts a table again, all its pages, when a commit may succeed later", async () => {
  const { calls, writer } = setup([new RetriableError("busy")]);
  await writer.write(UNIT, signal);
  assertEquals(calls, [`${UNIT.name} p.c 1,3`, `${UNIT.name} p.c 1,3`, `${UNIT.name} p.d 2`]);
});

Deno.test("PageUnitWriter rejects when a commit fails for good", async () => {
  const { writer } = setup([new FatalError("no such table")]);
  await assertRejects(() => writer.write(UNIT, signal), FatalError, "no such table");
});
