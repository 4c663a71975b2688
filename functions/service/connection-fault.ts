import { P2PError } from '../protocol/errors.ts';

/** How long each step may take, milliseconds. */
export interface ConnectionLimits {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

/** What a connection was waiting for. */
type Phase = 'connect' | 'head' | 'body';

/** The error for a step that took longer than it may. */
export function timeoutFault(
  what: string,
  phase: Phase,
  { connectMs, firstByteMs, idleMs }: ConnectionLimits,
): P2PError {
  const why = {
    connect: `no connection in ${connectMs} ms`,
    head: `no reply in ${firstByteMs} ms`,
    body: `nothing came for ${idleMs} ms`,
  };
  return new P2PError('UPSTREAM_TIMEOUT', `${what}: ${why[phase]}`);
}

/** The error for a connection that broke, or was closed by the other side. */
export function brokenFault(what: string, phase: Phase, cause: Error): P2PError {
  if (cause instanceof P2PError) return cause;
  const name = (cause as NodeJS.ErrnoException).code ?? cause.message;
  const code = phase === 'body' ? 'UPSTREAM_TRUNCATED' : 'UPSTREAM_UNREACHABLE';
  return new P2PError(code, `${what}: ${name}`, { cause });
}
