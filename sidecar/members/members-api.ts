import Router from 'koa-router';
import type { Members } from './member.ts';

/** `GET /api/v1/members`: who is in the cluster, as this agent sees it. */
export function membersRoutes(members: Members): Router {
  const router = new Router();
  router.get('/api/v1/members', function listMembers(ctx) {
    ctx.body = { self: members.self, members: members.list() };
  });
  return router;
}
