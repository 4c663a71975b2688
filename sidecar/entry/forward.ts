import type { IncomingMessage } from 'node:http';
import type Koa from 'koa';
import type { Context, Next } from 'koa';
import { redact } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { countReplies } from '../../functions/service/count-replies.ts';
import { createApp } from '../../functions/service/create-app.ts';
import { healthRoutes } from '../../functions/service/health.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { Metrics } from '../../functions/service/metrics.ts';
import type { Readiness } from '../../functions/service/readiness.ts';
import { isRegistryTarget } from '../../functions/service/registry-error.ts';
import type { Gate } from './gate.ts';
import type { Mirror } from './mirror.ts';
import type { Reverse, Reversed } from './reverse.ts';
import type { Terminated } from './terminated.ts';

/** What the proxy port is made of. */
export interface ForwardParts {
  readonly gate: Gate;
  readonly mirror: Pick<Mirror, 'handle'>;
  readonly reverse: Reverse;
  readonly terminated: Pick<Terminated, 'urlOf'>;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * The proxy port: absolute-form requests (RFC 9112 §3.2.2) and those inside intercepted connections, accelerated,
 * passed on or denied by rule. Those that name no origin are for the one that the reverse routes say, by host first
 * and last by path; between the two, those for `/v2/` by the mirror, as to a registry.
 */
export function createForwardApp(parts: ForwardParts): Koa {
  const { gate, mirror, reverse, terminated, readiness, metrics, log } = parts;
  const app = createApp(log);
  const health = healthRoutes(readiness);
  app.use(countReplies(metrics, 'proxy'));
  app.use(function forward(ctx: Context, next: Next) {
    const inside = terminated.urlOf(ctx.req);
    const url = inside ?? ctx.req.url ?? '/';
    if (url.startsWith('/')) return next();
    ctx.respond = false;
    // Inside an intercepted connection a path alone would say little in the log.
    ctx.state.url = url;
    if (inside === undefined) checkHost(ctx.req, url);
    return gate.handle(ctx.req, ctx.res, url);
  });
  const standIn = (find: (request: IncomingMessage) => Reversed | undefined) =>
    function standIn(ctx: Context, next: Next) {
      const reversed = find(ctx.req);
      if (reversed === undefined) return next();
      ctx.respond = false;
      return gate.handle(ctx.req, ctx.res, reversed.url, reversed.front);
    };
  app.use(standIn((request) => reverse.byHost(request)));
  app.use(function mirrorRegistry(ctx: Context, next: Next) {
    if (!isRegistryTarget(ctx.req.url ?? '/')) return next();
    ctx.respond = false;
    return mirror.handle(ctx.req, ctx.res);
  });
  app.use(health.routes());
  app.use(standIn((request) => reverse.byPath(request)));
  app.use(function explain(ctx: Context) {
    throw new P2PError(
      'ADDRESS_INVALID',
      `${ctx.path}: this port is an HTTP proxy; set http_proxy to it and ask for whole URLs`,
    );
  });
  return app;
}

/**
 * A proxy may go by the URL alone (RFC 9112 §3.2.2), but no client writes two hosts into one request by mistake.
 *
 * @throws P2PError REQUEST_AMBIGUOUS.
 */
function checkHost({ headers: { host } }: IncomingMessage, target: string): void {
  if (host === undefined || !URL.canParse(target)) return;
  const { protocol, host: asked } = new URL(target);
  const named = `${protocol}//${host}`;
  if (URL.canParse(named) && new URL(named).host === asked) return;
  throw new P2PError('REQUEST_AMBIGUOUS', `the URL is on ${asked}, and Host says "${redact(host)}"`, {
    headers: { connection: 'close' },
  });
}
