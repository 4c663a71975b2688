import Router from 'koa-router';
import type { Readiness } from './readiness.ts';

/** `/healthz`: the process lives. `/readyz`: it takes work; 503 while it starts and drains. */
export function healthRoutes(readiness: Readiness): Router {
  const router = new Router();
  router.get('/healthz', function healthz(ctx) {
    ctx.body = { status: 'ok' };
  });
  router.get('/readyz', function readyz(ctx) {
    ctx.status = readiness.isServing ? 200 : 503;
    ctx.body = { status: readiness.state };
  });
  return router;
}
