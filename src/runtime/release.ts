/**
 * Gives memory back at once, all of the buffer; nobody may use it afterwards. What is left to the garbage collector piles
 * up: in each isolate it looks at buffers only after 64 MB of new ones (V8's external memory limit).
 */
export function release(memory: ArrayBufferView | ArrayBufferLike): void {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
}

/** The same when the bytes are all that lies in their buffer; else nothing happens. */
export function releaseIfAlone(bytes: Uint8Array): void {
  if (bytes.length === bytes.buffer.byteLength) release(bytes);
}
