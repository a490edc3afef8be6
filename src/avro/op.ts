/** The steps of a compiled schema: what stands in the bytes, and what it becomes. */
import type { Kind } from "../columnar/kinds.ts";

export const NULL = 0;
export const BOOLEAN = 1;
/** Int and long have the same bytes; `kind` says which it was. */
export const WHOLE = 2;
export const FLOAT = 3;
export const DOUBLE = 4;
export const STRING = 5;
export const BYTES = 6;
export const FIXED = 7;
export const ENUM = 8;
export const DATE = 9;
export const TIMESTAMP_MILLIS = 10;
export const TIMESTAMP_MICROS = 11;
/** Times that become text: of `digits` decimals of a second. */
export const TIMESTAMP_TEXT = 12;
export const LOCAL_TIMESTAMP = 13;
export const TIME = 14;
export const DECIMAL = 15;
export const FIXED_DECIMAL = 16;
export const FIXED_UUID = 17;
export const DURATION = 18;
export const RECORD = 19;
export const ARRAY = 20;
export const MAP = 21;
/** A union of null and one other type. */
export const OPTIONAL = 22;
export const UNION = 23;
/** Takes no bytes: the value that the reader's schema gives a field which the writer doesn't have. */
export const CONSTANT = 24;
/** The writer's type can't become the reader's: whoever meets a value of it rejects the record. */
export const INCOMPATIBLE = 25;

export type Code = number;

/** A field of a record, in the order of the bytes. */
export interface Step {
  readonly name: string;
  /** `"name":` in UTF-8. */
  readonly key: Uint8Array;
  readonly op: Op;
  /** Its place among the record's columns; -1 for a field that the reader's schema doesn't have. */
  readonly target: number;
}

/** One node of a compiled schema. All have one shape, so the code that walks them stays monomorphic. */
export class Op {
  readonly code: Code;
  /** The kind of a column that begins with this value. */
  kind: Kind;
  /** Bytes of FIXED types. */
  size = 0;
  /** Decimals of DECIMAL, digits of a second's fraction of times. */
  scale = 0;
  /** Of OPTIONAL: the bytes that say null, and that a value follows. */
  nullByte = 0;
  valueByte = 0;
  /** The value of OPTIONAL and CONSTANT, the items of ARRAY, the values of MAP. */
  inner: Op | null = null;
  branches: readonly Op[] = [];
  /** Texts of ENUM's symbols in UTF-8; null where the reader has neither the symbol nor a default. */
  symbols: readonly (Uint8Array | null)[] = [];
  /** Whether ENUM's symbols can stand in a JSON string as they are. */
  isPlain = true;
  steps: readonly Step[] = [];
  /** Steps that take bytes; the rest of `steps` are constants. */
  wireStepCount = 0;
  /** The encoded value of CONSTANT. */
  bytes: Uint8Array | null = null;
  /** Name of a RECORD; what can't be read as what, of INCOMPATIBLE. */
  name = "";
  /** Fewest bytes that a value takes; -1 until somebody asks. */
  #minByteLength = -1;

  constructor(code: Code, kind: Kind) {
    this.code = code;
    this.kind = kind;
  }

  /** Fewest bytes that a value takes. 0 means that there may be any number of them in no bytes. */
  get minByteLength(): number {
    if (this.#minByteLength < 0) {
      this.#minByteLength = 0; // while it is being found out: a record inside itself
      this.#minByteLength = minByteLengthOf(this);
    }
    return this.#minByteLength;
  }
}

function minByteLengthOf(op: Op): number {
  switch (op.code) {
    case NULL:
    case CONSTANT:
    case INCOMPATIBLE:
      return 0;
    case FLOAT:
      return 4;
    case DOUBLE:
      return 8;
    case FIXED:
    case FIXED_DECIMAL:
    case FIXED_UUID:
    case DURATION:
      return op.size;
    case RECORD:
      return op.steps.reduce((sum, step) => sum + step.op.minByteLength, 0);
    default:
      return 1;
  }
}
