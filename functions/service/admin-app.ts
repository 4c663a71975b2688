import Koa from 'koa';
import { healthRoutes } from './health.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';
import { respondError } from './respond-error.ts';

/** The admin port: `/metrics` for Prometheus, `/healthz`, `/readyz`. */
export function createAdminApp(readiness: Readiness, metrics: Metrics, log: Logger): Koa {
  const app = new Koa();
  const router = healthRoutes(readiness);
  router.get('/metrics', async function renderMetrics(ctx) {
    const { type, text } = await metrics.render();
    ctx.set('Content-Type', type);
    ctx.body = text;
  });
  app.use(respondError(log));
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app;
}
