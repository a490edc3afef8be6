import { assertEquals, assertThrows } from "@std/assert";
import { type Commands, parseInvocation } from "../../../src/cli/arguments.ts";
import { type Command, UsageError } from "../../../src/cli/command.ts";

function command(flags: Command["flags"]): Command {
  return { summary: "", usage: "", doc: "", flags, maxPositionals: 1, run: () => Promise.resolve(0) };
}

const config = { name: "config", short: "c", value: "FILE", doc: "" };
const set = { name: "set", value: "KEY=VALUE", repeatable: true, doc: "" };
const json = { name: "json", doc: "" };
const COMMANDS: Commands = { run: command([config, set]), check: command([config, set, json]) };

function parse(line: string) {
  const { name, named, args } = parseInvocation(line.split(" ").filter((word) => word !== ""), COMMANDS);
  return {
    name,
    named,
    positionals: args.positionals,
    config: args.value("config"),
    sets: args.values("set"),
    flags: ["json", "help", "version"].filter((flag) => args.has(flag)),
  };
}

const nothing = { name: "run", named: false, positionals: [], config: undefined, sets: [], flags: [] };

const VALID: Readonly<Record<string, Partial<ReturnType<typeof parse>>>> = {
  "": {},
  "a.properties": { positionals: ["a.properties"] },
  "./config": { positionals: ["./config"] },
  "-": { positionals: ["-"] },
  "run a.properties": { named: true, positionals: ["a.properties"] },
  "a.properties --set a=b": { positionals: ["a.properties"], sets: ["a=b"] },
  "--set a=b a.properties": { positionals: ["a.properties"], sets: ["a=b"] },
  "--set a=b check a.properties": { name: "check", named: true, positionals: ["a.properties"], sets: ["a=b"] },
  "--config run check": { name: "check", named: true, config: "run" },
  "check check": { name: "check", named: true, positionals: ["check"] },
  "--set a=b=c --set=d=--e --set f=": { sets: ["a=b=c", "d=--e", "f="] },
  "--set 1=2": { sets: ["1=2"] },
  "--config a": { config: "a" },
  "--config=a": { config: "a" },
  "-c a": { config: "a" },
  "-c 7": { config: "7" },
  "7.10": { positionals: ["7.10"] },
  "--help": { flags: ["help"] },
  "-h": { flags: ["help"] },
  "-V": { flags: ["version"] },
  "check --json -h x.p": { name: "check", named: true, positionals: ["x.p"], flags: ["json", "help"] },
  "-- run": { named: true },
};

Deno.test("parseInvocation() finds the command, its flags and its arguments", () => {
  for (const [line, expected] of Object.entries(VALID)) assertEquals(parse(line), { ...nothing, ...expected }, line);
});

const INVALID: Readonly<Record<string, string>> = {
  "chekc a.properties": 'unknown command "chekc"; did you mean check?',
  "Run": 'unknown command "Run"; did you mean run?',
  "collector": 'unknown command "collector"; a config file of that name is written ./collector',
  "replicate a.properties": 'unknown command "replicate"; commands are run, check',
  "--confg a": "unknown flag --confg; did you mean --config?",
  "--hlep": "unknown flag --hlep; did you mean --help?",
  "--frobnicate": "unknown flag --frobnicate",
  "-x": "unknown flag -x",
  "--kafka.topic=secret a.properties": "unknown flag --kafka.topic; to set a config key, write --set kafka.topic=VALUE",
  "--json a.properties": "--json is a flag of check, not of run",
  "a.properties b.properties": 'unexpected argument "b.properties"',
  "check a.properties b": 'unexpected argument "b"',
  "--set": "--set needs a value: write --set KEY=VALUE",
  "--config": "--config needs a value: write --config FILE",
  "--config= a.p": "--config needs a value: write --config FILE",
  "--config a --config b": "--config is given 2 times",
};

Deno.test("parseInvocation() says what is wrong and what to write", () => {
  for (const [line, message] of Object.entries(INVALID)) {
    const error = assertThrows(() => parse(line), UsageError);
    assertEquals(error.message, message, line);
  }
});
