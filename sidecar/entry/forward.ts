import type Koa from 'koa';
import type { Context, Next } from 'koa';
import { parseAddress } from '../../functions/protocol/address.ts';
import { P2PError } from '../../functions/protocol/errors.ts';
import { countReplies } from '../../functions/service/count-replies.ts';
import { createApp } from '../../functions/service/create-app.ts';
import { healthRoutes } from '../../functions/service/health.ts';
import type { Logger } from '../../functions/service/log.ts';
import type { Metrics } from '../../functions/service/metrics.ts';
import type { Readiness } from '../../functions/service/readiness.ts';
import type { BlobServer } from '../../functions/service/serve-blob.ts';
import type { Rules } from '../rules.ts';
import { type PassParts, pass } from './pass.ts';

/** What the proxy port is made of. */
export interface ForwardParts {
  readonly blobs: BlobServer;
  readonly rules: Rules;
  readonly passing: PassParts;
  /** This agent's address in X-P2P-Agent chains. */
  readonly self: string;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** The proxy port: absolute-form requests (RFC 9112 §3.2.2), accelerated, passed on or denied by rule. */
export function createForwardApp({
  blobs,
  rules,
  passing,
  self,
  readiness,
  metrics,
  log,
}: ForwardParts): Koa {
  const app = createApp(log);
  const health = healthRoutes(readiness);
  app.use(countReplies(metrics, 'proxy'));
  app.use(function forward(ctx: Context, next: Next) {
    const target = ctx.req.url ?? '/';
    if (target.startsWith('/')) return next();
    ctx.respond = false;
    const address = parseAddress(target);
    const action = rules.refuseDenied(address.url);
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (action === 'accelerate' && isRead) {
      return blobs.serve({ request: ctx.req, response: ctx.res, address, chain: self });
    }
    return pass(passing, address, ctx.req, ctx.res);
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
