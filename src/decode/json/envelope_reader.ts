import { COLON, COMMA, LEFT_BRACE, QUOTE, RIGHT_BRACE } from "../bytes.ts";
import { ByteAccount } from "../../columnar/byte_account.ts";
import { ByteStrings } from "../byte_strings.ts";
import { Field } from "./fields.ts";
import { JsonRowDecoder } from "./row_decoder.ts";
import type { NameSpan } from "./tables.ts";

/** Names to look for, with their bytes. */
class EnvelopeFields {
  readonly names: readonly string[];
  readonly fields: readonly Field[];

  constructor(names: readonly string[]) {
    this.names = names;
    const spellings = new ByteStrings(new ByteAccount());
    this.fields = names.map((name) => {
      const quoted = new TextEncoder().encode(`"${name}"`);
      return new Field(spellings, spellings.intern(new DataView(quoted.buffer), 0, quoted.length), null, 0);
    });
  }
}

/** Indexes into the names at the top of a record. */
export const PROJECT = 0, COLLECTION = 1, PROPERTIES = 2, DATA = 3;
const TOP_FIELDS = new EnvelopeFields(["project", "collection", "properties", "data"]);
const FABRIC_FIELDS = new EnvelopeFields(["_project", "_collection"]);

/** A field that should be a string, of which the first one counts. */
export class EnvelopeName implements NameSpan {
  /** Whether the field is there. */
  isPresent = false;
  isString = false;
  start = 0;
  end = 0;

  clear(): void {
    this.isPresent = false;
    this.isString = false;
  }
}

/** Walks over the fields around a row: those that say which table it belongs to. */
export class JsonEnvelopeReader extends JsonRowDecoder {
  protected readonly project: EnvelopeName = new EnvelopeName();
  protected readonly collection: EnvelopeName = new EnvelopeName();
  /** Position after the name that was looked at last. */
  #nameEnd = 0;

  /** From an object's brace to its first name; ~(the position after the object) when it is empty. */
  protected firstName(pos: number): number {
    pos = this.skipSpace(pos + 1);
    return pos < this.end && this.bytes[pos] === RIGHT_BRACE ? ~(pos + 1) : this.#name(pos);
  }

  /** From the end of a value to the next name; ~(the position after the object) when there is none. */
  protected nextName(pos: number): number {
    pos = this.skipSpace(pos);
    if (pos >= this.end) return this.fail(this.end, "',' or '}'");
    if (this.bytes[pos] === RIGHT_BRACE) return ~(pos + 1);
    if (this.bytes[pos] !== COMMA) return this.fail(pos, "',' or '}'");
    return this.#name(this.skipSpace(pos + 1));
  }

  #name(pos: number): number {
    return pos < this.end && this.bytes[pos] === QUOTE ? pos : this.fail(pos, "a field name in quotes");
  }

  /** Which of the names at the top of a record stands at `pos`; -1 for any other. */
  protected topField(pos: number): number {
    return this.#fieldIndex(TOP_FIELDS, pos, false);
  }

  #fieldIndex({ fields, names }: EnvelopeFields, pos: number, anyCase: boolean): number {
    for (let i = 0; i < fields.length; i++) {
      if (!fields[i].matches(this.view, pos, this.end)) continue;
      this.#nameEnd = pos + fields[i].length - 1;
      return i;
    }
    const end = this.skipString(pos + 1);
    this.#nameEnd = end;
    // Fields are compared with their colon; escapes, white space and letter case need the name itself.
    const mayMatch = this.sawEscape || this.bytes[end] !== COLON ||
      (anyCase && fields.some(({ length }) => length - 1 === end - pos));
    if (!mayMatch) return -1;
    const name: string = JSON.parse(this.utf8Text(pos, end));
    return names.indexOf(anyCase ? name.toLowerCase() : name);
  }

  /** The first byte of the value of the field that was looked at last. */
  protected fieldValue(): number {
    return this.skipColon(this.#nameEnd);
  }

  /** Reads the value at `pos` as a name, if it is the first. Returns the position after it. */
  protected readName(name: EnvelopeName, pos: number): number {
    const end = this.bytes[pos] === QUOTE ? this.skipString(pos + 1) : this.skipValue(pos);
    if (name.isPresent) return end;
    name.isPresent = true;
    name.isString = this.bytes[pos] === QUOTE;
    name.start = pos + 1;
    name.end = end - 1;
    return end;
  }

  protected clearNames(): void {
    this.project.clear();
    this.collection.clear();
  }

  /**
   * Reads _project and _collection, in any letter case, wherever they stand in the object at `pos`. Returns the position
   * after the later one if they are the first two fields, else -1.
   */
  protected readFabricNames(pos: number): number {
    this.clearNames();
    let others = 0;
    pos = this.firstName(pos);
    while (pos >= 0) {
      const index = this.#fieldIndex(FABRIC_FIELDS, pos, true);
      pos = this.fieldValue();
      if (index === PROJECT) {
        pos = this.readName(this.project, pos);
      } else if (index === COLLECTION) {
        pos = this.readName(this.collection, pos);
      } else {
        pos = this.skipValue(pos);
        others++;
      }
      if (this.project.isPresent && this.collection.isPresent) return others === 0 ? pos : -1;
      pos = this.nextName(pos);
    }
    return -1;
  }

  /** Rejects the record unless its layout's own fields are what they must be. `payload` is -1 when it is missing. */
  protected checkEnvelope(payload: number, names: { project: string; collection: string; payload: string }): void {
    let problem: string | undefined;
    if (payload < 0) problem = `${names.payload} is missing`;
    else if (this.bytes[payload] !== LEFT_BRACE) problem = `${names.payload} is not an object`;
    else if (!this.project.isPresent) problem = `${names.project} is missing`;
    else if (!this.project.isString) problem = `${names.project} is not a string`;
    else if (!this.collection.isPresent) problem = `${names.collection} is missing`;
    else if (!this.collection.isString) problem = `${names.collection} is not a string`;
    if (problem !== undefined) this.reject("bad-envelope", problem);
  }

  /** The layout of the record whose object is at `pos`; checks its JSON on the way. */
  protected classify(pos: number): "RAKAM" | "FABRIC" | "PLAIN" {
    this.clearNames();
    let properties = -1, data = -1;
    pos = this.firstName(pos);
    while (pos >= 0) {
      const index = this.topField(pos);
      pos = this.fieldValue();
      if (index === PROPERTIES && properties < 0) properties = pos;
      if (index === DATA && data < 0) data = pos;
      if (index === PROJECT) pos = this.readName(this.project, pos);
      else if (index === COLLECTION) pos = this.readName(this.collection, pos);
      else pos = this.skipValue(pos);
      pos = this.nextName(pos);
    }
    const isRakam = this.project.isString && this.collection.isString && properties >= 0 &&
      this.bytes[properties] === LEFT_BRACE;
    if (isRakam) return "RAKAM";
    if (data < 0 || this.bytes[data] !== LEFT_BRACE) return "PLAIN";
    this.readFabricNames(data);
    return this.project.isString && this.collection.isString ? "FABRIC" : "PLAIN";
  }
}
