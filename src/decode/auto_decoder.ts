import type { TableBuilder } from "../columnar/table_builder.ts";
import { CONFLUENT_HEADER_BYTE_LENGTH, type SchemaUpdate } from "../avro/known_schema.ts";
import type { RecordBatch } from "../records/record_batch.ts";
import type { AvroDecoder } from "./avro/avro_decoder.ts";
import { LEFT_BRACE } from "./bytes.ts";
import type { JsonDecoder } from "./json/json_decoder.ts";
import type { RecordDecoder } from "./record_decoder.ts";

/**
 * Finds out for each record whether it is Avro, by framings that begin like no JSON; everything else is JSON's to judge. With
 * `onlyAvro`, JSON is only what a registry's schema says to be.
 */
export class AutoDecoder implements RecordDecoder {
  readonly #json: JsonDecoder;
  readonly #avro: AvroDecoder;
  readonly #onlyAvro: boolean;
  #last: JsonDecoder | AvroDecoder;
  /** The batch's bytes, when nothing but its records' own says what they are; else null. */
  #bytes: Uint8Array | null = null;

  constructor(json: JsonDecoder, avro: AvroDecoder, { onlyAvro }: { readonly onlyAvro: boolean }) {
    this.#json = json;
    this.#avro = avro;
    this.#last = onlyAvro ? avro : json;
    this.#onlyAvro = onlyAvro;
  }

  get table(): TableBuilder | null {
    return this.#last.table;
  }

  get eventTime(): number {
    return this.#last.eventTime;
  }

  begin(batch: RecordBatch): void {
    this.#bytes = batch.writerSchema === undefined && batch.blockCodec === undefined ? batch.bytes : null;
    this.#json.begin(batch);
    this.#avro.begin(batch);
  }

  decode(start: number, end: number, index: number): boolean {
    if (!this.#isObject(start)) {
      if (this.#avro.isFramedJson(start, end)) start += CONFLUENT_HEADER_BYTE_LENGTH;
      else if (this.#onlyAvro || this.#avro.isFramed(start, end)) {
        this.#last = this.#avro;
        return this.#avro.decode(start, end, index);
      }
    }
    this.#last = this.#json;
    return this.#json.decode(start, end);
  }

  unpack(start: number, end: number, index: number): Iterable<RecordBatch> | null {
    if (this.#isObject(start)) return null;
    const batches = this.#avro.unpack(start, end, index);
    if (batches !== null) this.#last = this.#avro;
    return batches;
  }

  /** Whether the record begins as no Avro framing and no container does. Spares JSON records all other questions. */
  #isObject(start: number): boolean {
    return !this.#onlyAvro && this.#bytes !== null && this.#bytes[start] === LEFT_BRACE;
  }

  update(update: SchemaUpdate): void {
    this.#avro.update(update);
  }

  reset(): void {
    this.#json.reset();
    this.#avro.reset();
  }
}
