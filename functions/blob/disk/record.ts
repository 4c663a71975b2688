import { createHash } from 'node:crypto';
import type { BlobFacts } from '../facts.ts';
import type { AccessRecord } from '../store.ts';

/** What is kept beside chunks, as a file of its own. */
export type StoreRecord = BlobFacts | AccessRecord;

/** `<sha-256 of the JSON in hex>\n<JSON>`: what a crash tore does not read as something else. */
export function formatRecord(record: StoreRecord): string {
  const json = JSON.stringify(record);
  return `${createHash('sha256').update(json).digest('hex')}\n${json}`;
}

/** `undefined` for what is not as it was written. */
export function parseRecord<T extends StoreRecord>(text: string): T | undefined {
  const json = text.slice(65);
  const sum = createHash('sha256').update(json).digest('hex');
  return text.slice(0, 65) === `${sum}\n` ? (JSON.parse(json) as T) : undefined;
}
