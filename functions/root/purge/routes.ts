import Router from 'koa-router';
import { P2PError } from '../../protocol/errors.ts';
import { readJson } from '../../service/api-body.ts';
import type { RootCore } from '../root.ts';
import { parseTarget } from './order.ts';
import { purge } from './purge.ts';

// What is not done then is gone on with by the next request.
const PURGE_MS = 20_000;

/**
 * `POST /api/v1/purge` with `{"blob": URL or digest}`, `{"repository": …}` or `{"origin": …}`: forgets it for up to 20 s
 * and tells how much that was; where `isDone` is false, it is to be asked again with `next` beside what it was asked.
 */
export function purgeRoutes(
  core: Pick<RootCore, 'settings' | 'shelf' | 'store' | 'release' | 'origins' | 'log'>,
): Router {
  const { settings, shelf, store, release, origins, log } = core;
  const router = new Router();
  router.post('/api/v1/purge', async function purgeNow(ctx) {
    const order = (await readJson(ctx)) as { readonly next?: unknown };
    const target = parseTarget(order, { mirror: settings.Mirror, rules: origins.rules });
    const from = order?.next ?? 0;
    if (!Number.isSafeInteger(from)) throw new P2PError('API_REQUEST_INVALID', 'next is a number');
    const endMs = Date.now() + PURGE_MS;
    const parts = { shelf, store, release, now: Date.now };
    const report = await purge(target, parts, () => Date.now() < endMs, Number(from));
    log.info({ ...report, kind: target.kind }, 'purged');
    ctx.body = report;
  });
  return router;
}
