import type { TableSet } from "../columnar/table_set.ts";
import { AutoDecoder } from "./auto_decoder.ts";
import { AvroDecoder } from "./avro/avro_decoder.ts";
import { JsonDecoder } from "./json/json_decoder.ts";
import type { DecodeConfig } from "./options.ts";
import type { RecordDecoder } from "./record_decoder.ts";

/** The decoder for `source.data-format`. */
export function createDecoder(config: DecodeConfig, tables: TableSet): RecordDecoder {
  switch (config.dataFormat) {
    case "AVRO":
      return new AvroDecoder(config, tables);
    case "JSON":
      return new JsonDecoder(config, tables);
    case "AUTO":
      return new AutoDecoder(new JsonDecoder(config, tables), new AvroDecoder(config, tables));
  }
}
