/** KPL aggregates that can't be read, through the whole loop. */
import { assertEquals } from "@std/assert";
import type { DeadLetterLine } from "../../src/decode/dead_letters.ts";
import { schemaSection } from "../../src/schema/options.ts";
import { SchemaStore } from "../../src/schema/schema_store.ts";
import { comparePositions } from "../../src/records/position.ts";
import { collect } from "../support/collect.ts";
import { defaultConfig } from "../support/default_config.ts";
import { createSource, sharedServers } from "../support/kinesis_harness.ts";
import { aggregate, concat, seal } from "../support/kpl.ts";
import { testRuntime } from "../support/stored_object.ts";
import { configOf } from "../unit/decode/harness.ts";

const encoder = new TextEncoder();
const json = (id: number) => encoder.encode(JSON.stringify({ id }));
const user = (id: number) => ({ key: "k", data: json(id) });

Deno.test({
  name: "aggregates that can't be read become dead letters, byte for byte, and what is around them becomes rows",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const stream = await servers.createStream(1);
    const whole = aggregate([user(1), user(2)]);
    const flipped = whole.slice();
    flipped[10] ^= 1;
    // A tag that says more bytes than there are: the digest is right, the message is not.
    const nonsense = seal(concat(whole.subarray(4, -16), Uint8Array.of(0x1a, 0x7f, 1, 2, 3)));
    const badUser = encoder.encode("\x0fnot a user record");
    const large = aggregate([{ key: "k", data: new Uint8Array(3000).fill(7) }]);
    const records = [
      json(0),
      flipped, // the digest is wrong: a plain record, whatever it looks like
      nonsense,
      aggregate([user(3), badUser, user(4)]),
      large,
      aggregate([]),
      aggregate([user(5)]),
      json(6),
    ];
    for (const data of records) await servers.put(stream, [{ key: "k", data }]);
    const runtime = testRuntime(), decode = configOf({ collection: "c" });
    const context = { runtime, wants: { keys: true, headers: false }, maxRecordByteLength: 2000 };
    const { rows, deadLetters, counts } = await collect({
      source: createSource(servers.settings(stream), context),
      decode,
      schemas: new SchemaStore(defaultConfig(schemaSection.options, {}), { decode, runtime }),
      runtime,
      until: 5 + 4,
    });
    assertEquals(rows.map((row) => JSON.parse(row.slice(row.indexOf(" "))).id), [0, 3, 4, 5, 6]);
    const letters = deadLetters.map((line) => JSON.parse(line) as DeadLetterLine);
    const payloads = letters.map(({ payload }) => Uint8Array.fromBase64(payload));
    assertEquals(payloads.slice(0, 3), [flipped, nonsense, badUser]);
    // One that is too large is cut, as every record is.
    assertEquals(payloads[3].length, 2001);
    assertEquals(letters.map(({ position }) => position.split(":")[1]), ["0", "0", "1", "0"]);
    assertEquals(runtime.metrics.total("collector_kinesis_broken_aggregates_total"), 2);
    // Everything is counted and committed, up to the last record.
    assertEquals(counts.reduce((sum, count) => sum + count.records, 0), 9);
    const [lease] = await servers.items(servers.settings(stream).leaseTable);
    const committed = `${lease.checkpoint.S}:${Number(lease.checkpointSubSequenceNumber.N) + 1}`;
    assertEquals(comparePositions(committed, letters[3].position), 1);
  },
});
