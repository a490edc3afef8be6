import type { TableSet } from "../columnar/table_set.ts";
import { AutoDecoder } from "./auto_decoder.ts";
import { AvroDecoder } from "./avro/avro_decoder.ts";
import { JsonDecoder } from "./json/json_decoder.ts";
import type { DecodeConfig } from "./options.ts";
import type { RecordDecoder } from "./record_decoder.ts";

/** The decoder for `source.data-format`. */
export function createDecoder(config: DecodeConfig, tables: TableSet): RecordDecoder {
  const json = new JsonDecoder(config, tables);
  if (config.dataFormat === "JSON") return json;
  return new AutoDecoder(json, new AvroDecoder(config, tables), { onlyAvro: config.dataFormat === "AVRO" });
}
