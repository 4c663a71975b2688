import process from 'node:process';
import type { Records } from '../records.ts';
import type { Usage } from './usage.ts';

/**
 * Counts a call of this function that has begun at `startedMs` of `performance.now`, and leaves what was used in the
 * store when it is time: to be awaited last, for the platform freezes the instance when the call returns.
 */
export async function countCall(
  startedMs: number,
  { usage, records }: { readonly usage: Usage; readonly records: Records },
): Promise<void> {
  const memoryMiB = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 0);
  usage.called(performance.now() - startedMs, memoryMiB);
  await usage.flush(records);
}
