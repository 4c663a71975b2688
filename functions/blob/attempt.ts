import { type ErrorCode, P2PError } from '../protocol/errors.ts';
import type { Source } from './upstream.ts';

/**
 * The first success among the sources, asked one after the other. An error that says `elsewhere` moves on to
 * the next; any other is final and thrown as it is.
 *
 * @throws P2PError the last failure when all failed alike, else UPSTREAMS_EXHAUSTED with all as its cause.
 */
export async function firstSuccess<T>(
  sources: Iterable<Source>,
  attempt: (source: Source) => Promise<T>,
  onFailure: (source: Source, error: P2PError) => void,
): Promise<T> {
  const failures: P2PError[] = [];
  for (const source of sources) {
    try {
      return await attempt(source);
    } catch (error) {
      if (!(error instanceof P2PError) || error.retry !== 'elsewhere') throw error;
      onFailure(source, error);
      failures.push(error);
    }
  }
  throw summary(failures);
}

function summary(failures: readonly P2PError[]): P2PError {
  const last = failures.at(-1);
  const codes = new Set<ErrorCode>(failures.map((failure) => failure.code));
  if (last !== undefined && codes.size === 1) return last;
  const text = failures.map((failure) => failure.message).join('; ');
  return new P2PError('UPSTREAMS_EXHAUSTED', `no upstream could answer: ${text || 'none is configured'}`, {
    cause: new AggregateError(failures),
  });
}
