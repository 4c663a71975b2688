/**
 * Small JSON objects beside the chunks, for what roots tell each other: a bucket or a folder, whichever has the chunks.
 * Paths are ours, made of letters, digits, dots, dashes and slashes.
 */
export interface Records {
  /**
   * An object as last put; `undefined` when there is none, or it is too long or no JSON.
   *
   * @throws P2PError STORE_READ_FAILED when the store cannot tell.
   */
  get<T>(path: string): Promise<T | undefined>;
  /**
   * Puts an object, whole or not at all, in place of what was there.
   *
   * @throws P2PError STORE_WRITE_FAILED when it was not kept.
   */
  put(path: string, record: object): Promise<void>;
}

/** What a record's text says. */
export function parseRecord<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
