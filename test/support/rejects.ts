import * as assert from 'uvu/assert';
import { type ErrorCode, P2PError } from '../../functions/protocol/errors.ts';

/**
 * Asserts that `promise` fails with a P2PError of this code, and returns that error. uvu's own
 * `assert.throws` takes no promise: with one it passes over the failure and ends the process.
 */
export async function rejects(code: ErrorCode, promise: Promise<unknown>): Promise<P2PError> {
  return failsWith(code, await promise.then(() => undefined, asIs));
}

/** Asserts that `call` throws a P2PError of this code, and returns that error. */
export function throws(code: ErrorCode, call: () => unknown): P2PError {
  try {
    call();
  } catch (error) {
    return failsWith(code, error);
  }
  return failsWith(code, undefined);
}

const asIs = (error: unknown): unknown => error ?? new Error('rejected with nothing');

function failsWith(code: ErrorCode, error: unknown): P2PError {
  if (error instanceof P2PError) {
    assert.is(error.code, code, `expected ${code}, not ${error.code}: ${error.message}`);
    return error;
  }
  if (error !== undefined) throw error;
  assert.unreachable(`expected ${code}, but nothing failed`);
  throw new Error('not reached');
}
