import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Context, Middleware, Next } from 'koa';
import { P2PError } from '../protocol/errors.ts';
import { ERROR_HEADER, headerValue } from '../protocol/headers.ts';
import type { Logger } from './log.ts';
import { formatRegistryError, isRegistryTarget } from './registry-error.ts';

/**
 * Answers what is thrown below it: ours by its own status, headers and body, anything else as a 500 that says
 * nothing; on the paths of a registry's API in the shape of its errors. Once the head is sent there is no error reply any more: the connection is reset, so that what the
 * client has is visibly short.
 */
export function respondError(log: Logger): Middleware {
  return async function respondError(ctx: Context, next: Next) {
    try {
      await next();
    } catch (thrown) {
      const error = thrown instanceof P2PError ? thrown : (abortReason(thrown) ?? unexpected(thrown));
      ctx.respond = false;
      report(log, ctx, error, thrown);
      if (ctx.res.headersSent) breakOff(ctx.res, error);
      else answer(ctx, error);
    }
  };
}

function breakOff(response: ServerResponse, error: P2PError): void {
  // Where the end of the connection is the end of the body, as for an HTTP/1.0 client, a clean end would make a
  // short body look whole. TLS has no reset, and no need of one; a function has no socket at all.
  const reset = (socket: unknown) => {
    if (socket instanceof Socket && !('encrypted' in socket)) socket.resetAndDestroy();
  };
  // A pipelined reply has its socket only when those before it are done.
  if (response.socket === null) response.once('socket', reset);
  else reset(response.socket);
  response.destroy(error);
}

function answer({ req, res, method }: Context, error: P2PError): void {
  const { headers, body } = explain(error, isRegistryTarget(req.url ?? ''));
  // What the origin refused is the origin's answer: it does not carry a code of ours.
  const ours = error.code === 'UPSTREAM_REFUSED' ? {} : { [ERROR_HEADER]: error.code };
  res.writeHead(error.status, { ...error.headers, ...headers, ...ours, 'content-length': body.length });
  res.end(method === 'HEAD' ? undefined : body);
}

function explain(error: P2PError, isRegistry: boolean) {
  // The origin's own words, or a form that whoever threw has chosen; not those of another node of ours.
  const isFinal = error.code === 'UPSTREAM_REFUSED' || !isRegistry || isJson(error);
  if (error.body !== undefined && isFinal) return { headers: {}, body: error.body };
  if (isRegistry) return { headers: { 'content-type': JSON_TYPE }, body: formatRegistryError(error) };
  const text = `${error.code}: ${error.expose ? error.message : 'internal error'}\n`;
  return { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(text) };
}

const JSON_TYPE = 'application/json';

const isJson = ({ headers }: P2PError): boolean => headerValue(headers, 'content-type') === JSON_TYPE;

function report(log: Logger, ctx: Context, error: P2PError, thrown: unknown): void {
  const fields = { method: ctx.method, url: ctx.state.url ?? ctx.req.url, code: error.code, cause: error };
  if (error.code === 'CLIENT_GONE') log.debug(fields, 'client_gone');
  else if (!(thrown instanceof P2PError) && !abortReason(thrown))
    log.error({ ...fields, err: thrown }, 'request_failed');
  else if (error.status >= 500) log.warn(fields, ctx.res.headersSent ? 'transfer_broken' : 'request_failed');
  else log.info(fields, 'request_refused');
}

/** `once(…, { signal })` throws an AbortError around the reason; the reason is what counts. */
function abortReason(thrown: unknown): P2PError | undefined {
  const cause = thrown instanceof Error && thrown.name === 'AbortError' ? thrown.cause : undefined;
  return cause instanceof P2PError ? cause : undefined;
}

const unexpected = (cause: unknown): P2PError =>
  new P2PError('STORE_READ_FAILED', 'unexpected error', { cause });
