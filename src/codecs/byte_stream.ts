/** What a read may find now. */
export interface Look {
  /** A guess that sizes the read; 0 only when there surely is nothing more for now. */
  readonly byteLength: number;
  /** When the data arrived, epoch ms: the file's modification time, or now for standard input. */
  readonly timeMs: number;
}

/**
 * Bytes in order, read by one reader, one call at a time. `look` before each `read`; what isn't there yet may come later
 * (a file that grows), until `finish` says that the end is final.
 */
export interface ByteStream {
  look(): Promise<Look>;
  /** Bytes put at the start of `into`; 0 at the end, which is for now until `finish` was called. */
  read(into: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Moves on without delivering. Resolves to the bytes skipped: fewer when the stream ends before. */
  skip(byteLength: number): Promise<number>;
  /**
   * Nothing will be appended any more. Later reads find what is left, and at its end fail if it is incomplete.
   */
  finish(): void;
  /** True when no more can ever come, though nobody called `finish`. */
  readonly ended: boolean;
  /** Frees what it holds, after a read under way where that surely ends soon. Twice is safe. */
  close(): Promise<void>;
}

/** Fills `into` from where the file or stream stands. Resolves to the bytes read: fewer at its end. */
export async function readFully(file: Input, into: Uint8Array<ArrayBuffer>): Promise<number> {
  let byteLength = 0;
  while (byteLength < into.length) {
    const came = await file.read(into.subarray(byteLength));
    if (!came) break;
    byteLength += came;
  }
  return byteLength;
}

/** A regular file, read from its start. */
export class PlainFile implements ByteStream {
  readonly ended = false;
  readonly #file: Deno.FsFile;
  #position = 0;
  #closed = false;
  #reading: Promise<unknown> = Promise.resolve();

  /** Takes the file over: `close` closes it. */
  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  async look(): Promise<Look> {
    const { size, mtime } = await this.#file.stat();
    return { byteLength: Math.max(0, size - this.#position), timeMs: mtime?.getTime() ?? NaN };
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    const reading = this.#file.read(into);
    this.#reading = reading.catch(() => {}); // the caller gets the error
    const byteLength = await reading ?? 0;
    this.#position += byteLength;
    return byteLength;
  }

  async skip(byteLength: number): Promise<number> {
    const { size } = await this.#file.stat();
    const skipped = Math.max(0, Math.min(byteLength, size - this.#position));
    this.#position = await this.#file.seek(this.#position + skipped, Deno.SeekMode.Start);
    return skipped;
  }

  finish(): void {}

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#reading;
    this.#file.close();
  }
}

/** The first bytes of a stream, as if it ended there, and as if all of it had arrived at one time. */
export class LimitedStream implements ByteStream {
  readonly #stream: ByteStream;
  readonly #timeMs: number;
  #left: number;

  /**
   * Takes the stream over, which stands at its beginning: `close` closes it.
   *
   * @param limit bytes (Infinity: all of them), and epoch ms.
   */
  constructor(stream: ByteStream, { byteLength, timeMs }: Look) {
    this.#stream = stream;
    this.#left = byteLength;
    this.#timeMs = timeMs;
  }

  get ended(): boolean {
    return this.#left === 0 || this.#stream.ended;
  }

  async look(): Promise<Look> {
    const { byteLength } = await this.#stream.look();
    return { byteLength: Math.min(byteLength, this.#left), timeMs: this.#timeMs };
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#left === 0) return 0;
    const byteLength = await this.#stream.read(into.subarray(0, Math.min(into.length, this.#left)));
    this.#left -= byteLength;
    return byteLength;
  }

  async skip(byteLength: number): Promise<number> {
    const skipped = await this.#stream.skip(Math.min(byteLength, this.#left));
    this.#left -= skipped;
    return skipped;
  }

  finish(): void {
    this.#stream.finish();
  }

  close(): Promise<void> {
    return this.#stream.close();
  }
}

/** Bytes that are in memory already. */
export class MemoryStream implements ByteStream {
  readonly ended: boolean = true;
  readonly #bytes: Uint8Array;
  readonly #timeMs: number;
  #position = 0;

  constructor(bytes: Uint8Array, timeMs: number) {
    this.#bytes = bytes;
    this.#timeMs = timeMs;
  }

  look(): Promise<Look> {
    return Promise.resolve({ byteLength: this.#bytes.length - this.#position, timeMs: this.#timeMs });
  }

  read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    const part = this.#bytes.subarray(this.#position, this.#position + into.length);
    into.set(part);
    this.#position += part.length;
    return Promise.resolve(part.length);
  }

  skip(byteLength: number): Promise<number> {
    const skipped = Math.min(byteLength, this.#bytes.length - this.#position);
    this.#position += skipped;
    return Promise.resolve(skipped);
  }

  finish(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What standard input is to us; the process's own is `Deno.stdin`. */
export interface Input {
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
}

const INPUT_READ_BYTE_LENGTH = 256 * 1024;

/** Standard input: comes once, ends by itself, can't be read again. */
export class InputStream implements ByteStream {
  readonly #input: Input;
  readonly #now: () => number;
  #ended = false;

  constructor(input: Input, now: () => number) {
    this.#input = input;
    this.#now = now;
  }

  get ended(): boolean {
    return this.#ended;
  }

  look(): Promise<Look> {
    return Promise.resolve({ byteLength: this.#ended ? 0 : INPUT_READ_BYTE_LENGTH, timeMs: this.#now() });
  }

  async read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    const byteLength = this.#ended ? null : await this.#input.read(into);
    this.#ended = byteLength === null;
    return byteLength ?? 0;
  }

  skip(): Promise<number> {
    return Promise.resolve(0);
  }

  finish(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
