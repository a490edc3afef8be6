import { option, type OptionSpecs } from "../../../src/config/option.ts";
import type { Registry } from "../../../src/config/section.ts";
import { InvariantError } from "../../../src/runtime/errors.ts";
import type { SourceComponent } from "../../../src/source/source.ts";
import type { TargetComponent } from "../../../src/target/target.ts";

const doc = "For the test.";

function neverCalled(): never {
  throw new InvariantError("the config's tests open nothing");
}

interface TapeConfig {
  readonly reel: string;
  readonly speed: "slow" | "fast";
  readonly password: string | undefined;
  readonly file: string | undefined;
  readonly pin: number | undefined;
  readonly from: number;
  readonly to: number;
}

const tapeOptions: OptionSpecs<TapeConfig> = {
  reel: option.string("tape.reel", { doc, required: true }),
  speed: option.enumeration("tape.speed", ["slow", "fast"], { doc, default: "slow" }),
  password: option.string("tape.password", { doc, secret: true }),
  file: option.string("tape.file", { doc, exact: true }),
  pin: option.integer("tape.pin", { doc, secret: true, max: 9999 }),
  from: option.integer("tape.from", { doc, default: "0" }),
  to: option.integer("tape.to", { doc, default: "9", deprecated: "use tape.length" }),
};

const tape: SourceComponent<TapeConfig> = {
  doc: "Reads tapes.",
  options: tapeOptions,
  validate: ({ from, to }) => from <= to ? [] : [{ key: "tape.from", message: `must not be beyond tape.to (${to})` }],
  create: neverCalled,
  check: neverCalled,
};

const drum: SourceComponent<{ readonly name: string; readonly length: number | undefined }> = {
  doc: "Reads drums.",
  options: {
    name: option.string("drum.name", { doc, required: true }),
    length: option.integer("drum.length", { doc }),
  },
  create: neverCalled,
  check: neverCalled,
};

const paper: TargetComponent<{ readonly url: string | undefined; readonly level: number | "auto" }> = {
  doc: "Prints.",
  options: {
    url: option.string("paper.url", { doc }),
    level: option.integerOrAuto("paper.level", { doc, default: "auto", max: 9 }),
  },
  create: neverCalled,
  check: neverCalled,
};

const sections = {
  flow: {
    title: "Flow",
    doc: "How much, and when.",
    options: {
      ageMs: option.duration("flow.max-age", { doc, default: "15s", min: 1 }),
      byteLength: option.size("flow.size", { doc, whenUnset: "no limit" }),
      fast: option.boolean("flow.fast", { doc, default: "false" }),
      tags: option.list("flow.tags", { doc, default: "a,b" }),
    },
    validate: ({ fast, byteLength }: { readonly fast: boolean; readonly byteLength: number | undefined }) =>
      fast && byteLength === undefined ? [{ key: "flow.fast", message: "needs flow.size" }] : [],
  },
};

/** Two sources, one target, one section. */
export const testRegistry = {
  sections,
  sources: { tape, drum },
  targets: { paper },
} satisfies Registry<typeof sections>;
