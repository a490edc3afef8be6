import type { ColumnSettings } from "../columnar/column_builder.ts";
import { BIGINT } from "../columnar/kinds.ts";
import type { DecodeConfig, MetadataColumn } from "./options.ts";

const SETTINGS: Readonly<Record<MetadataColumn, ColumnSettings>> = {
  topic: { detectTimes: false },
  stream: { detectTimes: false },
  partition: { detectTimes: false },
  shard: { detectTimes: false },
  position: { detectTimes: false, numberKind: BIGINT },
  timestamp: {},
  key: { detectTimes: false },
  headers: { isJson: true },
};

/** The column that a kind of metadata is kept in. */
export function metadataColumnName(column: MetadataColumn): string {
  return `_${column}`;
}

/** How the metadata columns that the config asks for behave, by name. */
export function metadataSettings(config: DecodeConfig): ReadonlyMap<string, ColumnSettings> {
  return new Map((config.metadataColumns ?? []).map((column) => [metadataColumnName(column), SETTINGS[column]]));
}

/** Whether rows get the arrival time: `database.checkpoint-field` isn't "none". */
export function hasArrivalColumn({ arrivalField }: DecodeConfig): boolean {
  return arrivalField.toLowerCase() !== "none";
}

/** The columns that every table gets, in the order in which MetadataWriter fills them. */
export function ownColumnNames(config: DecodeConfig): string[] {
  const names = (config.metadataColumns ?? []).map(metadataColumnName);
  return hasArrivalColumn(config) ? [config.arrivalField, ...names] : names;
}
