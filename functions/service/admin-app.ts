import type Koa from 'koa';
import type { Middleware } from 'koa';
import { createApp } from './create-app.ts';
import { healthRoutes } from './health.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** What the admin port of a node is made of. */
export interface AdminAppParts {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** What answers at `/api/v1/`; without it nothing does. */
  readonly api?: Middleware | undefined;
}

/** The admin port: `/metrics` for Prometheus, `/healthz`, `/readyz`, of an agent `/api/v1/` too. */
export function createAdminApp({ readiness, metrics, log, api }: AdminAppParts): Koa {
  const app = createApp(log);
  const router = healthRoutes(readiness);
  router.get('/metrics', async function renderMetrics(ctx) {
    const { type, text } = await metrics.render();
    ctx.set('Content-Type', type);
    ctx.body = text;
  });
  app.use(router.routes());
  app.use(router.allowedMethods());
  if (api !== undefined) app.use(api);
  return app;
}
