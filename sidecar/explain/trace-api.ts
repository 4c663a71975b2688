import Router from 'koa-router';
import { credentialOf } from '../../functions/blob/access/credential.ts';
import type { BlobReader } from '../../functions/blob/reader.ts';
import { parseAddress } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { headerValue, PROXY_NAME } from '../../functions/protocol/headers.ts';
import { readJson } from '../../functions/service/api-body.ts';
import type { Rules } from '../../functions/service/rules.ts';
import type { RequestTrace, Traces } from '../../functions/service/traces.ts';

/** What explaining a read takes. */
export interface TraceApiParts {
  readonly traces: Traces;
  readonly reader: Pick<BlobReader, 'open'>;
  readonly rules: Rules;
}

const PATH = '/api/v1/trace';

/**
 * `GET /api/v1/trace/<id>`: the requests of a trace, with where each chunk came from. `GET /api/v1/trace?url=…`: the
 * last one for a URL. `POST /api/v1/trace` with `{"url": "…"}` reads that, by the credential in `authorization` if there
 * is one, throws the bytes away, and tells of it.
 */
export function traceRoutes(parts: TraceApiParts): Router {
  const { traces } = parts;
  const router = new Router();
  router.get(`${PATH}/:id`, function showTrace(ctx) {
    const requests = traces.find((ctx.params.id ?? '').toLowerCase());
    if (requests.length === 0) throw unknown(`no request of the trace ${ctx.params.id}`);
    ctx.body = shown(requests);
  });
  router.get(PATH, function showLast(ctx) {
    const url = String(ctx.query.url ?? '');
    const last = traces.lastOf(url);
    if (last === undefined) throw unknown(`no request for ${url}`);
    ctx.body = shown([last]);
  });
  router.post(PATH, async function explain(ctx) {
    const { url, authorization } = ((await readJson(ctx)) ?? {}) as {
      url?: unknown;
      authorization?: unknown;
    };
    if (typeof url !== 'string') throw new P2PError('API_REQUEST_INVALID', 'send {"url": "…"}');
    const gone = new AbortController();
    ctx.res.once('close', () => gone.abort());
    const credential = typeof authorization === 'string' ? authorization : undefined;
    const traceparent = headerValue(ctx.req.headers, 'traceparent');
    ctx.body = shown([await read(parts, { url, credential, traceparent }, gone.signal)]);
  });
  return router;
}

interface Wish {
  readonly url: string;
  readonly credential: string | undefined;
  readonly traceparent: string | undefined;
}

/** Reads a blob to its end, and gives the trace of that, however it ended. */
async function read(
  { traces, reader, rules }: TraceApiParts,
  { url, credential, traceparent }: Wish,
  signal: AbortSignal,
): Promise<RequestTrace> {
  const { address } = rules.judge(parseAddress(url), 'GET');
  const trace = traces.begin({ method: 'GET', url: address.url, traceparent });
  const authorization = credential === undefined ? {} : { authorization: credential };
  try {
    const blob = await reader.open({
      address,
      headers: { 'user-agent': PROXY_NAME, traceparent: trace.traceparent, ...authorization },
      first: 0,
      wantsBody: true,
      credential: credentialOf(address, credential),
      doubtful: false,
      trace,
    });
    if (blob !== undefined) {
      for await (const _ of blob.read({ start: 0, end: blob.facts.size }, signal)) {
        // That it came is all that matters.
      }
    }
    trace.end(blob === undefined ? 'not cached: passed through' : '200');
  } catch (error) {
    if (!(error instanceof P2PError)) throw error;
    trace.end(error.code);
  }
  return trace;
}

const shown = (requests: readonly RequestTrace[]) => ({
  trace: requests[0]?.context.traceId,
  requests,
});

const unknown = (what: string): P2PError =>
  new P2PError('API_NOT_FOUND', `${what} is remembered here; the last thousand are`);
