import { assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { parseInvocation } from "../../../src/cli/arguments.ts";
import { type Arguments, UsageError } from "../../../src/cli/command.ts";
import { parseRate, parseTime, rangeOf } from "../../../src/cli/replay_range.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";

/** Each with the time that it is, as ISO 8601 in UTC. */
const TIMES: Readonly<Record<string, string>> = {
  "2026-11-01": "2026-11-01T00:00:00.000Z",
  "2026-11-01Z": "2026-11-01T00:00:00.000Z",
  "2026-11-01+02:00": "2026-10-31T22:00:00.000Z",
  "2026-11-01T06:30": "2026-11-01T06:30:00.000Z",
  "2026-11-01 06:30": "2026-11-01T06:30:00.000Z",
  "2026-11-01T06:30Z": "2026-11-01T06:30:00.000Z",
  "2026-11-01t06:30z": "2026-11-01T06:30:00.000Z",
  "2026-11-01T06:30:15": "2026-11-01T06:30:15.000Z",
  "2026-11-01T06:30:15.5Z": "2026-11-01T06:30:15.500Z",
  "2026-11-01T06:30:15.250+02:00": "2026-11-01T04:30:15.250Z",
  "2026-11-01T06:30+0530": "2026-11-01T01:00:00.000Z",
  "2026-11-01T00:00-03:30": "2026-11-01T03:30:00.000Z",
  "2026-12-31T23:59:59.999-18:00": "2027-01-01T17:59:59.999Z",
  "2024-02-29": "2024-02-29T00:00:00.000Z",
  "2000-02-29T12:00": "2000-02-29T12:00:00.000Z",
  "1969-12-31T23:59:59": "1969-12-31T23:59:59.000Z",
  // In Europe/Berlin, the first doesn't exist and the second comes twice.
  "2026-03-29T02:30": "2026-03-29T02:30:00.000Z",
  "2026-10-25T02:30": "2026-10-25T02:30:00.000Z",
  "2026-10-25T02:30+02:00": "2026-10-25T00:30:00.000Z",
  "2026-10-25T02:30+01:00": "2026-10-25T01:30:00.000Z",
  // Pacific/Apia had no such day.
  "2011-12-30": "2011-12-30T00:00:00.000Z",
};

const isoOf = (text: string) => new Date(parseTime(text)).toISOString();

Deno.test("parseTime() reads times in UTC, or in the zone that they name", () => {
  for (const [text, iso] of Object.entries(TIMES)) assertEquals(isoOf(text), iso, text);
});

Deno.test("parseTime() doesn't care about the machine's time zone", async () => {
  const module = fileURLToPath(new URL("../../../src/cli/replay_range.ts", import.meta.url));
  const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
  const texts = Object.keys(TIMES);
  const program = `
    import { parseTime } from ${JSON.stringify(`file://${module}`)};
    const hours = new Date(Date.UTC(2026, 0, 1)).getHours();
    const isos = ${JSON.stringify(texts)}.map((text) => new Date(parseTime(text)).toISOString());
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ hours, isos })));`;
  const zones = { "Europe/Berlin": 1, "Pacific/Apia": 13, "America/St_Johns": 20 };
  await Promise.all(
    Object.entries(zones).map(async ([zone, hours]) => {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          "--config",
          config,
          `data:text/typescript,${encodeURIComponent(program)}`,
        ],
        env: { TZ: zone },
      }).output();
      assertEquals(JSON.parse(new TextDecoder().decode(stdout)), { hours, isos: Object.values(TIMES) }, zone);
    }),
  );
});

const NO_SUCH = "there is no such day, hour, minute or second";
const NO_TIMES: Readonly<Record<string, string>> = {
  "": "write 2026-11-01,",
  "yesterday": '"yesterday" is no time: write 2026-11-01, 2026-11-01T06:30Z or 2026-11-01T06:30:00+02:00',
  "1790000000000": "write 2026-11-01,",
  "2026-11": "write 2026-11-01,",
  "26-11-01": "write 2026-11-01,",
  "2026-1-1": "write 2026-11-01,",
  "01.11.2026": "write 2026-11-01,",
  "2026-11-01T06": "write 2026-11-01,",
  "2026-11-01T06:30:15.1234Z": "write 2026-11-01,",
  "2026-11-01T06:30 CET": "write 2026-11-01,",
  " 2026-11-01": "write 2026-11-01,",
  "2026-11-31": NO_SUCH,
  "2026-02-29": NO_SUCH,
  "1900-02-29": NO_SUCH,
  "2026-13-01": NO_SUCH,
  "2026-00-10": NO_SUCH,
  "2026-10-00": NO_SUCH,
  "0026-11-01": NO_SUCH,
  "2026-11-01T24:00": NO_SUCH,
  "2026-11-01T23:60": NO_SUCH,
  "2026-12-31T23:59:60Z": NO_SUCH,
  "2026-11-01T06:30+19:00": "no zone is +19:00 from UTC",
  "2026-11-01T06:30-02:60": "no zone is -02:60 from UTC",
};

Deno.test("parseTime() says what to write in place of what is no time", () => {
  for (const [text, problem] of Object.entries(NO_TIMES)) {
    assertThrows(() => parseTime(text), RangeError, problem);
  }
});

Deno.test("parseRate() reads records and bytes a second", () => {
  assertEquals(parseRate("5000"), { amount: 5000, unit: "records" });
  assertEquals(parseRate("0.5"), { amount: 0.5, unit: "records" });
  assertEquals(parseRate("20MB"), { amount: 20 << 20, unit: "bytes" });
  assertEquals(parseRate("1.5kB"), { amount: 1536, unit: "bytes" });
  for (const text of ["0", "0.0", "0MB"]) assertThrows(() => parseRate(text), UsageError, "must be more than 0");
  for (const text of ["", "fast", "-5", "5/s", "20mb", "20 MB/s", "1e3", "."]) {
    assertThrows(() => parseRate(text), UsageError, "--rate: ");
  }
});

function argumentsOf(line: string): Arguments {
  return parseInvocation(["replay", ...line.split(" ").filter((word) => word !== "")], COMMANDS).args;
}

const NOW = Date.UTC(2026, 10, 23, 5, 30, 0, 123);

function asked(line: string, { whole = false, historical = false } = {}) {
  return rangeOf(argumentsOf(line), { nowMs: NOW, whole, historical });
}

const time = (iso: string) => ({ timestampMs: Date.parse(iso) });
const positions = (text: string) => ({ positions: text });

Deno.test("rangeOf() understands each way to say a range", () => {
  const plain = { resumes: false, incremental: false, fixed: true };
  assertEquals(asked("--from 2026-11-01 --to 2026-11-02T00:00+02:00"), {
    from: time("2026-11-01T00:00:00Z"),
    to: time("2026-11-01T22:00:00Z"),
    fromText: "2026-11-01T00:00:00.000Z",
    toText: "2026-11-01T22:00:00.000Z",
    ...plain,
  });
  const toNow = { to: null, toText: null, resumes: false, incremental: false, fixed: false };
  assertEquals(asked("--last 24h"), {
    from: { timestampMs: NOW - 86_400_000 },
    fromText: "2026-11-22T05:30:00.123Z",
    ...toNow,
  });
  assertEquals(asked("--last 9999999d"), { from: { timestampMs: 0 }, fromText: "1970-01-01T00:00:00.000Z", ...toNow });
  assertEquals(asked("--from 2026-11-01 --until-now"), {
    from: time("2026-11-01T00:00:00Z"),
    fromText: "2026-11-01T00:00:00.000Z",
    ...toNow,
    incremental: true,
  });
  const nothing = { from: null, to: null, fromText: null, toText: null };
  assertEquals(asked("--until-now"), { ...nothing, resumes: true, incremental: true, fixed: false });
  assertEquals(asked("", { historical: true }), { ...nothing, resumes: true, incremental: true, fixed: false });
  assertEquals(asked("", { whole: true }), { ...nothing, ...plain });
  assertEquals(asked("--to 2026-11-01"), {
    ...nothing,
    to: time("2026-11-01T00:00:00Z"),
    toText: "2026-11-01T00:00:00.000Z",
    ...plain,
  });
  assertEquals(asked("--from-offset 5 --to-offset 0:7,3:9"), {
    from: positions("5"),
    to: positions("0:7,3:9"),
    fromText: "5",
    toText: "0:7,3:9",
    ...plain,
  });
  assertEquals(asked("--from-offset 5"), {
    ...nothing,
    from: positions("5"),
    fromText: "5",
    resumes: false,
    incremental: false,
    fixed: false,
  });
  assertEquals(asked("--to-offset 5"), { ...nothing, to: positions("5"), toText: "5", ...plain });
});

Deno.test("rangeOf() takes this moment for a time that has come", () => {
  const now = new Date(NOW).toISOString();
  assertEquals(asked(`--from 2026-11-01 --to ${now}`).toText, now);
});

const REFUSED: Readonly<Record<string, string>> = {
  "": "say what to replay: --from TIME --to TIME, --last 24h or --until-now",
  "--from 2026-11-01": "--from needs --to TIME or --until-now",
  "--from 2026-11-02 --to 2026-11-01": "--from must be before --to",
  "--from 2026-11-01 --to 2026-11-01T00:00Z": "--from must be before --to",
  "--from 2026-11-01 --to 2026-11-24": "--to 2026-11-24T00:00:00.000Z is in the future: write --until-now",
  "--from 2026-11-23T05:30:00.124Z --until-now": "--from 2026-11-23T05:30:00.124Z is in the future",
  "--from soon --to 2026-11-01": '--from: "soon" is no time',
  "--from 2026-11-01 --to 2026-02-30": "--to: ",
  "--last 24": "--last: not a duration",
  "--last 24H": "--last: unknown unit",
  "--last 0s": "--last must be more than 0",
  "--last -5h": "",
  "--last 24h --from 2026-11-01": "--last and --from can't be used together",
  "--last 24h --to 2026-11-01": "--last and --to can't be used together",
  "--last 24h --to-offset 1": "--last and --to-offset can't be used together",
  "--last 24h --until-now": "--until-now and --last can't be used together",
  "--from-offset 1 --to 2026-11-01": "--from-offset and --to can't be used together",
  "--from-offset 1 --until-now": "--until-now and --from-offset can't be used together",
  "--to 2026-11-01 --until-now": "--until-now and --to can't be used together",
};

Deno.test("rangeOf() refuses what makes no sense, and says what to write", () => {
  for (const [line, problem] of Object.entries(REFUSED)) assertThrows(() => asked(line), UsageError, problem);
});
