import Router from 'koa-router';
import { readJson } from '../../service/api-body.ts';
import { isJobId, parseOrder } from './job.ts';
import { unknownJob, type Warmer } from './warmer.ts';

const PATH = '/api/v1/warm';

/**
 * `POST /api/v1/warm` begins a job or goes on with it; `GET /api/v1/warm/<id>` says how far it has come, and
 * `GET /api/v1/warm/<id>/blobs` what it is made of.
 */
export function warmRoutes(warmer: Pick<Warmer, 'start' | 'progress' | 'blobs'>): Router {
  const router = new Router();
  router.post(PATH, async function startWarming(ctx) {
    const progress = await warmer.start(parseOrder(await readJson(ctx)));
    ctx.set('Location', `${PATH}/${progress.id}`);
    ctx.status = 202;
    ctx.body = progress;
  });
  router.get(`${PATH}/:id`, async function tellProgress(ctx) {
    const { id = '' } = ctx.params;
    const progress = isJobId(id) ? await warmer.progress(id) : undefined;
    if (progress === undefined) throw unknownJob(id);
    ctx.set('Cache-Control', 'no-store');
    ctx.body = progress;
  });
  router.get(`${PATH}/:id/blobs`, async function listBlobs(ctx) {
    const { id = '' } = ctx.params;
    if (!isJobId(id)) throw unknownJob(id);
    ctx.body = await warmer.blobs(id);
  });
  return router;
}
