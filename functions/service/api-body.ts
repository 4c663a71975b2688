import type { Context } from 'koa';
import getRawBody from 'raw-body';
import { KiB } from '../blob/chunk.ts';
import { P2PError } from '../protocol/errors.ts';

// A few thousand digests, or URLs.
const MAX_BODY_BYTES = 256 * KiB;

/**
 * The JSON of a request's body. Its media type has to say that it is JSON: a page in somebody's browser cannot send
 * that to another host without asking first.
 *
 * @throws P2PError API_REQUEST_INVALID.
 */
export async function readJson({ req }: Context): Promise<unknown> {
  if (!/^application\/json *(?:;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new P2PError('API_REQUEST_INVALID', 'send JSON, with "Content-Type: application/json"');
  }
  const length = req.headers['content-length'];
  try {
    const body = await getRawBody(req, {
      limit: MAX_BODY_BYTES,
      ...(length === undefined ? {} : { length }),
    });
    return JSON.parse(body.toString());
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'it is no JSON' : (cause as Error).message;
    throw new P2PError('API_REQUEST_INVALID', `the body cannot be read: ${why}`, { cause });
  }
}
