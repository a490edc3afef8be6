import { assertEquals, assertThrows } from "@std/assert";
import { Rejections } from "../../src/loop/rejections.ts";
import type { SealedOutput } from "../../src/pipeline/messages.ts";
import { printable } from "../../src/records/rejected_sample.ts";
import { FatalError } from "../../src/runtime/errors.ts";
import type { LogFields, Logger } from "../../src/runtime/log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { testRuntime } from "../support/stored_object.ts";
import { EMPTY_OUTPUT } from "./pipeline/fake_port.ts";

function world(maxShare = Infinity) {
  const said: [string, string, LogFields?][] = [];
  const say = (level: string) => (message: string, fields?: LogFields) => void said.push([level, message, fields]);
  const log: Logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  const clock = new ManualClock();
  const rejections = new Rejections({ runtime: testRuntime({ clock, log }), maxShare });
  return { said, clock, rejections, levels: () => said.splice(0).map(([level]) => level).join(" ") };
}

function seal(records: number, rejected: number, more: Partial<SealedOutput> = {}): SealedOutput {
  const counts = {
    split: "a/0",
    records,
    recordBytes: 0,
    rows: records - rejected,
    deadLetters: rejected,
    dropped: {},
  };
  return {
    ...EMPTY_OUTPUT,
    counts: [{ ...counts, minTimestamp: NaN, maxTimestamp: NaN }],
    deadLetters: rejected === 0 ? null : {
      ...{ bytes: new Uint8Array(0), rawByteLength: 0, crc32: 0, rowCount: rejected },
      codes: { "bad-envelope": rejected },
    },
    ...more,
  };
}

const sample = (split: string, code: "bad-envelope" | "too-deep" = "bad-envelope") => ({
  ...{ split, position: "7", code, reason: "it has no project", beginning: '{"a":1}' },
});

Deno.test("the first rejected record of each code and split is said, whichever worker had it", () => {
  const { said, rejections } = world();
  const rejected = [sample("a/0"), sample("a/1"), sample("a/0", "too-deep")];
  for (const one of [rejected, rejected.toReversed()]) rejections.note(seal(10, 3, { rejected: one }));
  assertEquals(said.map(([level, , fields]) => [level, fields?.split, fields?.code]), [
    ["warn", "a/0", "bad-envelope"],
    ["warn", "a/1", "bad-envelope"],
    ["warn", "a/0", "too-deep"],
  ]);
  assertEquals(said[0].slice(1), ["a record can't be decoded", {
    ...{ split: "a/0", position: "7", code: "bad-envelope", reason: "it has no project", record: '{"a":1}' },
  }]);
  rejections.note(seal(1, 1, { rejected: Array.from({ length: 500 }, (_, i) => sample(`b/${i}`)) }));
  assertEquals(said.length, 100, "not one for each of any number of splits");
});

Deno.test("counts are said once a minute, and only when there are any", () => {
  const { said, rejections, clock, levels } = world();
  const minute = () => {
    clock.advance(60_000);
    rejections.tick();
  };
  rejections.note(seal(100, 3));
  const dropped = { ...seal(50, 0).counts[0], dropped: { "dead-letter": 2, empty: 9 } };
  rejections.note(seal(0, 0, { counts: [dropped] }));
  rejections.tick();
  assertEquals(levels(), "");
  minute();
  assertEquals(said, [["warn", "records can't be decoded", { records: 150, "bad-envelope": 3, dropped: 2 }]]);
  said.length = 0;
  rejections.note(seal(100, 0));
  minute();
  assertEquals(levels(), "");
});

Deno.test("when most of the latest 1,000 records are rejected it is an error, once and each minute", () => {
  const { rejections, clock, levels } = world();
  rejections.note(seal(999, 999));
  assertEquals(levels(), "", "of fewer nobody can say");
  rejections.note(seal(1, 0));
  assertEquals(levels(), "error");
  rejections.note(seal(1000, 501));
  assertEquals(levels(), "");
  clock.advance(60_000);
  rejections.tick();
  assertEquals(levels(), "error");
  rejections.note(seal(1000, 500));
  rejections.note(seal(1000, 501));
  assertEquals(levels(), "error", "again after it was better");
});

Deno.test("a share that is too large ends the process", () => {
  const { rejections } = world(0.1);
  rejections.note(seal(100, 100));
  rejections.note(seal(900, 0));
  rejections.note(seal(5000, 500));
  assertThrows(() => rejections.note(seal(1000, 101)), FatalError, "dead-letter.max-share=0.1");
});

Deno.test("printable() is one bounded line that no terminal acts on", () => {
  const of = (...parts: (string | number[])[]) => {
    const bytes = parts.flatMap((part) => typeof part === "string" ? [...new TextEncoder().encode(part)] : part);
    return printable(Uint8Array.from([0, ...bytes, 0]), 1, bytes.length + 1);
  };
  assertEquals(of('{"ü":"😀"}'), '{"ü":"😀"}');
  assertEquals(of("a\nb\x1b[2J\x7f\u009b\u202e\ufeff"), "a\\u{a}b\\u{1b}[2J\\u{7f}\\u{9b}\\u{202e}\\u{feff}");
  assertEquals(of([0xff, 0xfe]), "\ufffd\ufffd");
  assertEquals(of("x".repeat(120)), "x".repeat(120));
  assertEquals(of("x".repeat(119), "ü"), `${"x".repeat(119)}...`, "no half of a character");
});
