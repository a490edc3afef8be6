import { assertEquals } from "@std/assert";
import { interpolate, overridesOf, variableOfKey } from "../../../src/config/environment.ts";

Deno.test("overridesOf() turns names into keys: one underscore is a dot, two are a dash", () => {
  const environment = {
    RAKAM_STREAM_SOURCE: "kafka",
    RAKAM_STREAM_MAX__FLUSH__DURATION: " 5s ",
    RAKAM_MAX_POLL_RECORDS: "10",
    RAKAM_SOURCE_DATA__FORMAT_JSON_LAYOUT: "rakam",
    RAKAM_EMPTY: "",
    RAKAM_BLANK: "  ",
    RAKAM_UNSET: undefined,
    OTHER_TARGET: "s3",
    RAKAMTARGET: "s3",
  };
  assertEquals(overridesOf(environment, "RAKAM_").map(({ key, value }) => `${key}=${value}`), [
    "max.poll.records=10",
    "source.data-format.json.layout=rakam",
    "stream.max-flush-duration=5s",
    "stream.source=kafka",
  ]);
});

Deno.test("overridesOf() leaves out what service managers and Kubernetes set for a service of our name", () => {
  const environment = {
    COLLECTOR_HOME: "/opt/collector",
    COLLECTOR_VERSION: "1.2",
    COLLECTOR_SERVICE_HOST: "10.0.0.1",
    COLLECTOR_SERVICE_PORT: "80",
    COLLECTOR_SERVICE_PORT_HTTP: "80",
    COLLECTOR_PORT: "tcp://10.0.0.1:80",
    COLLECTOR_PORT_80_TCP_ADDR: "10.0.0.1",
    COLLECTOR_TARGET: "s3",
  };
  assertEquals(overridesOf(environment, "COLLECTOR_").map(({ key }) => key), ["target"]);
});

Deno.test("variableOfKey() is the way back", () => {
  for (const key of ["target", "max.poll.records", "source.data-format.json.layout", "committer.thread.count"]) {
    const name = variableOfKey(key);
    assertEquals(overridesOf({ [name]: "v" }, "COLLECTOR_"), [{ name, key, value: "v" }]);
  }
  assertEquals(variableOfKey("stream.max-flush-duration", "RAKAM_"), "RAKAM_STREAM_MAX__FLUSH__DURATION");
});

Deno.test("interpolate() replaces references", () => {
  const environment = { NAME: "value", EMPTY: "", NESTED: "${ENV:NAME}", DOLLAR: "$1$&", _x9: "under" };
  const cases: readonly (readonly [string, string])[] = [
    ["", ""],
    ["plain", "plain"],
    ["${ENV:NAME}", "value"],
    ["a${ENV:NAME}b${ENV:NAME}c", "avaluebvaluec"],
    ["${ENV:NAME:other}", "value"],
    ["${ENV:MISSING:other}", "other"],
    ["${ENV:MISSING:}", ""],
    ["${ENV:MISSING:http://h:1/a b}", "http://h:1/a b"],
    ["${ENV:EMPTY}", ""],
    ["${ENV:EMPTY:other}", "other"],
    ["${ENV:NESTED}", "${ENV:NAME}"],
    ["${ENV:DOLLAR}", "$1$&"],
    ["${ENV:_x9}", "under"],
    ["$${ENV:NAME}", "${ENV:NAME}"],
    ["$${ENV:MISSING}", "${ENV:MISSING}"],
    ["$$${ENV:NAME}", "$${ENV:NAME}"],
    ["${OTHER:NAME} {project} $", "${OTHER:NAME} {project} $"],
    ["${env:NAME}", "${env:NAME}"],
  ];
  for (const [value, text] of cases) assertEquals(interpolate(value, environment), { text, problems: [] }, value);
});

Deno.test("interpolate() says what is wrong with a reference", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["${ENV:MISSING}", "environment variable MISSING is not set: set it, or write ${ENV:MISSING:default}"],
    ["${ENV:}", '"" is no name of an environment variable'],
    ["${ENV:1A}", '"1A" is no name of an environment variable'],
    ["${ENV:A B:c}", '"A B" is no name of an environment variable'],
    ["a${ENV:NAME", '"${ENV:NAME" has no closing }'],
    ["a${ENV:NAME:b", '"${ENV:NAME" has no closing }'],
  ];
  for (const [value, problem] of cases) assertEquals(interpolate(value, {}).problems, [problem], value);
  assertEquals(interpolate("${ENV:A}${ENV:B}", {}).problems.length, 2);
});
