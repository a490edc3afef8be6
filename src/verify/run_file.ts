/** Files of records, [length u32][bytes] each, that are written once and read once. */

const WRITE_BYTE_LENGTH = 1024 * 1024;
const READ_BYTE_LENGTH = 256 * 1024;
const LENGTH_BYTES = 4;

/** Removed while it is open, where the system allows that, so that it is gone with the process at the latest. */
interface Unnamed {
  readonly file: Deno.FsFile;
  /** Set where it could not be removed yet. */
  readonly path: string | null;
}

async function createUnnamed(directory: string | undefined): Promise<Unnamed> {
  const path = await Deno.makeTempFile({ dir: directory, prefix: "collector-sort-" });
  const file = await Deno.open(path, { read: true, write: true });
  const removed = await Deno.remove(path).then(() => true, () => false);
  return { file, path: removed ? null : path };
}

function closeUnnamed({ file, path }: Unnamed): void {
  file.close();
  if (path === null) return;
  try {
    Deno.removeSync(path);
  } catch {
    // The system's own cleaning of temporary files has been faster, or will do it.
  }
}

export class RunWriter {
  readonly #file: Unnamed;
  #bytes = new Uint8Array(WRITE_BYTE_LENGTH);
  #used = 0;
  #closed = false;

  private constructor(file: Unnamed) {
    this.#file = file;
  }

  static async create(directory: string | undefined): Promise<RunWriter> {
    return new RunWriter(await createUnnamed(directory));
  }

  /** True when `flush` is to be called before the next record. */
  add(record: Uint8Array): boolean {
    const end = this.#used + LENGTH_BYTES + record.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(end);
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    new DataView(this.#bytes.buffer).setUint32(this.#used, record.length, true);
    this.#bytes.set(record, this.#used + LENGTH_BYTES);
    this.#used = end;
    return end >= WRITE_BYTE_LENGTH / 2;
  }

  async flush(): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#used);
    for (let written = 0; written < bytes.length;) written += await this.#file.file.write(bytes.subarray(written));
    this.#used = 0;
  }

  /** The file's reader, at its beginning. */
  async finish(): Promise<RunReader> {
    await this.flush();
    await this.#file.file.seek(0, Deno.SeekMode.Start);
    this.#closed = true;
    return new RunReader(this.#file.file, () => closeUnnamed(this.#file));
  }

  /** Gives the file up, unless it has a reader. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeUnnamed(this.#file);
  }
}

export class RunReader {
  /** The current record; valid until the next call of `next` or `nextInBuffer`. */
  record: Uint8Array = new Uint8Array(0);
  readonly #file: Deno.FsFile;
  readonly #close: () => void;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;
  #closed = false;

  constructor(file: Deno.FsFile, close: () => void) {
    this.#file = file;
    this.#close = close;
  }

  /** Moves on to the next record if it is in memory already. */
  nextInBuffer(): boolean {
    const start = this.#start + LENGTH_BYTES;
    if (start > this.#end) return false;
    const end = start + this.#view.getUint32(this.#start, true);
    if (end > this.#end) return false;
    this.record = this.#bytes.subarray(start, end);
    this.#start = end;
    return true;
  }

  /** Moves on to the next record; false when there is none. */
  async next(): Promise<boolean> {
    while (!this.nextInBuffer()) {
      if (!await this.#fill()) return false;
    }
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#bytes = new Uint8Array(0);
    this.#close();
  }

  /** A new buffer each time: the record before may still be looked at. */
  async #fill(): Promise<boolean> {
    const rest = this.#bytes.subarray(this.#start, this.#end);
    const wanted = rest.length < LENGTH_BYTES ? 0 : LENGTH_BYTES + this.#view.getUint32(this.#start, true);
    const bytes = new Uint8Array(Math.max(READ_BYTE_LENGTH, wanted));
    bytes.set(rest);
    const came = await this.#file.read(bytes.subarray(rest.length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#start = 0;
    this.#end = rest.length + (came ?? 0);
    return came !== null;
  }
}
