import type Router from 'koa-router';
import type { RootCore } from '../root.ts';
import type { WarmCall } from './call.ts';
import { openWarmer } from './open-warmer.ts';
import { warmRoutes } from './routes.ts';

// A server has its clients to serve beside.
const LANES = 4;
// Nobody ends a server's work for having taken long.
const NEVER = new AbortController().signal;

/**
 * Warming by a root that is a server: its lanes run in this process, beside the serving, and end with it. A job that
 * ended so goes on when it is asked for again.
 */
export function warmInProcess(core: RootCore): Router {
  const { closing, log } = core;
  const invoke = async (call: WarmCall): Promise<void> => {
    void warmer.perform(call, NEVER, closing).catch((cause: unknown) => {
      if (!closing.aborted) log.error({ id: call.id, lane: call.lane, cause }, 'warm_failed');
    });
  };
  const warmer = openWarmer(core, LANES, invoke);
  return warmRoutes(warmer);
}
