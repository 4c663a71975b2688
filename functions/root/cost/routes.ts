import Router from 'koa-router';
import { P2PError } from '../../protocol/errors.ts';
import type { RootCore } from '../root.ts';
import { costReport } from './report.ts';

const DEFAULT_DAYS = 7;
const MAX_DAYS = 31;

/** `GET /api/v1/cost?days=7`: what the root has used each day, and what that costs at list prices. */
export function costRoutes(core: Pick<RootCore, 'shelf' | 'records' | 'usage'>): Router {
  const router = new Router();
  router.get('/api/v1/cost', async function tellCost(ctx) {
    const days = Number(ctx.query.days ?? DEFAULT_DAYS);
    if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS)
      throw new P2PError('API_REQUEST_INVALID', `days is a number from 1 to ${MAX_DAYS}`);
    await core.usage.flush(core.records, true);
    ctx.body = await costReport(core, days, Date.now());
  });
  return router;
}
