import type { Context, Next } from 'koa';
import { P2PError } from '../protocol/errors.ts';

/**
 * Refuses what another reader of the same bytes may take for another request (RFC 9112 §11.2) and Node's parser lets
 * by: several Host lines, a transfer coding other than chunked or in HTTP/1.0, a version that is not 1.0 or 1.1. The
 * connection is closed: where the next request begins is just as doubtful.
 */
export function refuseAmbiguous({ req }: Context, next: Next): Promise<unknown> {
  const doubt = doubtOf(req);
  if (doubt === undefined) return next();
  throw new P2PError('REQUEST_AMBIGUOUS', doubt, { headers: { connection: 'close' } });
}

function doubtOf({ rawHeaders, headers, httpVersion }: Context['req']): string | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return `this is HTTP/1.1, not ${httpVersion}`;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    return `a body in HTTP/${httpVersion} with Transfer-Encoding: ${coding} is not understood`;
  }
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1 ? 'the request names several hosts' : undefined;
}
