/**
 * What avsc, which holds schemas against the specification to the letter, says of those that are read here.
 *
 * @param reader what records are seen through; null for the schema alone.
 * @returns null when it agrees.
 */
export async function secondOpinion(json: string, reader: string | null): Promise<string | null> {
  const { default: { Type } } = await import("avsc"); // 0.1 s that only `check` is to wait for
  const typeOf = (text: string) => Type.forSchema(JSON.parse(text, smallInteger));
  try {
    const type = typeOf(json);
    if (reader !== null) typeOf(reader).createResolver(type);
    return null;
  } catch (error) {
    const { message } = error as Error;
    return message.length > 200 ? `${message.slice(0, 197)}...` : message;
  }
}

/** avsc takes no longs beyond 2^53, which the specification allows as defaults. */
function smallInteger(_key: string, value: unknown): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? 0 : value;
}
