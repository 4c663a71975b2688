import type Koa from 'koa';
import { createApp } from './create-app.ts';
import { healthRoutes } from './health.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** The admin port: `/metrics` for Prometheus, `/healthz`, `/readyz`. */
export function createAdminApp(readiness: Readiness, metrics: Metrics, log: Logger): Koa {
  const app = createApp(log);
  const router = healthRoutes(readiness);
  router.get('/metrics', async function renderMetrics(ctx) {
    const { type, text } = await metrics.render();
    ctx.set('Content-Type', type);
    ctx.body = text;
  });
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}
