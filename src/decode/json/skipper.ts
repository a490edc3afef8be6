import {
  COLON,
  COMMA,
  LEFT_BRACE,
  LEFT_BRACKET,
  MINUS,
  NINE,
  QUOTE,
  RIGHT_BRACE,
  RIGHT_BRACKET,
  SPACE,
  ZERO,
} from "../bytes.ts";
import { JsonScanner } from "./scanner.ts";

/** Arrays and objects inside one field's value. Readers of the files recurse; most stop at about this depth. */
export const MAX_NESTING_DEPTH = 1000;

/** Passes over whole values. */
export class JsonSkipper extends JsonScanner {
  /** Whether skipValue met white space outside strings. */
  protected sawSpace = false;
  /** What the open containers are: 1 for objects, 0 for arrays. */
  readonly #containers = new Uint8Array(MAX_NESTING_DEPTH);

  #skipName(pos: number): number {
    if (this.bytes[pos] !== QUOTE) return this.fail(pos, "a field name in quotes");
    const end = this.skipString(pos + 1);
    if (this.bytes[end] === COLON && this.bytes[end + 1] > SPACE) return end + 1;
    this.#noteSpace(end);
    this.#noteSpace(this.skipSpace(end) + 1);
    return this.skipColon(end);
  }

  #noteSpace(pos: number): void {
    if (this.bytes[pos] <= SPACE) this.sawSpace = true;
  }

  /** Any value, checked whole. Not recursive: the depth is bounded by MAX_NESTING_DEPTH, not by the stack. */
  protected skipValue(pos: number): number {
    const { bytes } = this;
    const containers = this.#containers;
    let depth = 0;
    this.sawSpace = false;
    for (;;) {
      const c = bytes[pos];
      if (c === QUOTE) {
        pos = this.skipString(pos + 1);
      } else if (c === MINUS || (c >= ZERO && c <= NINE)) {
        pos = this.skipNumber(pos);
      } else if (c === LEFT_BRACE || c === LEFT_BRACKET) {
        if (depth === MAX_NESTING_DEPTH) return this.fail(pos, `at most ${MAX_NESTING_DEPTH} levels`, "too-deep");
        const isObject = c === LEFT_BRACE;
        containers[depth++] = isObject ? 1 : 0;
        this.#noteSpace(pos + 1);
        pos = this.skipSpace(pos + 1);
        if (bytes[pos] !== (isObject ? RIGHT_BRACE : RIGHT_BRACKET)) {
          if (isObject) pos = this.#skipName(pos);
          continue;
        }
        pos++;
        depth--;
      } else {
        pos = this.skipLiteral(pos);
      }
      // After a value: close containers until one goes on.
      for (;;) {
        if (depth === 0) return pos;
        if (bytes[pos] <= SPACE) {
          this.sawSpace = true;
          pos = this.skipSpace(pos);
        }
        const isObject = containers[depth - 1] === 1;
        const next = bytes[pos];
        if (next === COMMA) {
          this.#noteSpace(pos + 1);
          pos = this.skipSpace(pos + 1);
          if (isObject) pos = this.#skipName(pos);
          break;
        }
        if (next !== (isObject ? RIGHT_BRACE : RIGHT_BRACKET)) {
          return this.fail(pos, isObject ? "',' or '}'" : "',' or ']'");
        }
        pos++;
        depth--;
      }
    }
  }
}
