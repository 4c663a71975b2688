import type Koa from 'koa';
import type { Context, Next } from 'koa';
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
import type { Terminated } from './terminated.ts';

/** What the proxy port is made of. */
export interface ForwardParts {
  readonly gate: Gate;
  readonly mirror: Pick<Mirror, 'handle'>;
  readonly terminated: Pick<Terminated, 'urlOf'>;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * The proxy port: absolute-form requests (RFC 9112 §3.2.2) and those inside intercepted connections, accelerated,
 * passed on or denied by rule; those for `/v2/` alone, as to a registry, by the mirror.
 */
export function createForwardApp({ gate, mirror, terminated, readiness, metrics, log }: ForwardParts): Koa {
  const app = createApp(log);
  const health = healthRoutes(readiness);
  app.use(countReplies(metrics, 'proxy'));
  app.use(function forward(ctx: Context, next: Next) {
    const url = terminated.urlOf(ctx.req) ?? ctx.req.url ?? '/';
    if (url.startsWith('/')) return next();
    ctx.respond = false;
    return gate.handle(ctx.req, ctx.res, url);
  });
  app.use(function mirrorRegistry(ctx: Context, next: Next) {
    if (!isRegistryTarget(ctx.req.url ?? '/')) return next();
    ctx.respond = false;
    return mirror.handle(ctx.req, ctx.res);
  });
  app.use(health.routes());
  app.use(function explain(ctx: Context) {
    throw new P2PError(
      'ADDRESS_INVALID',
      `${ctx.path}: this port is an HTTP proxy; set http_proxy to it and ask for whole URLs`,
    );
  });
  return app;
}
