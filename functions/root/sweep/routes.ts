import Router from 'koa-router';
import { P2PError } from '../../protocol/errors.ts';
import { readJson } from '../../service/api-body.ts';
import type { Records } from '../records.ts';
import { lastReport } from './state.ts';
import type { Sweeper } from './sweeper.ts';

// What is not done then is gone on with by the next request; a dry run has to be done at once.
const SWEEP_MS = 20_000;
const DRY_MS = 10 * 60_000;

/**
 * `POST /api/v1/sweep` with `{"dryRun": true}` or `false`: sweeps for up to 20 s and tells what came of it; a report that
 * is not done is gone on with by asking again. `GET`: what the last whole sweep has found.
 */
export function sweepRoutes(sweeper: Sweeper, records: Records): Router {
  const router = new Router();
  router.post('/api/v1/sweep', async function sweepNow(ctx) {
    const { dryRun } = ((await readJson(ctx)) ?? {}) as { readonly dryRun?: unknown };
    if (typeof dryRun !== 'boolean')
      throw new P2PError('API_REQUEST_INVALID', 'send {"dryRun": true} or {"dryRun": false}');
    const endMs = Date.now() + (dryRun ? DRY_MS : SWEEP_MS);
    ctx.body = await sweeper.sweep(dryRun, () => Date.now() < endMs);
  });
  router.get('/api/v1/sweep', async function lastSweep(ctx) {
    const report = await lastReport(records);
    if (report === undefined) throw new P2PError('API_NOT_FOUND', 'no sweep has come to its end yet');
    ctx.body = report;
  });
  return router;
}
