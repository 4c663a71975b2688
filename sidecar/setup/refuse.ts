import { P2PError } from '../../functions/protocol/errors.ts';

/** A refusal to edit somebody else's file: names it, and what to do instead. */
export const refuse = (path: string, problem: string, remedy: string, cause?: unknown): P2PError =>
  new P2PError('SETUP_REFUSED', `${path}: ${problem}; ${remedy}`, { cause });
