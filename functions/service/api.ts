import type { Context, Middleware, Next } from 'koa';
import type Router from 'koa-router';
import { P2PError } from '../protocol/errors.ts';
import type { Authorize } from './api-token.ts';

/** One part of the API: all that is asked for at `/api/v1/<name>` and below. */
export interface ApiSection {
  readonly name: string;
  /** Loads the routes, which have whole paths: at the first request that is let in, and again when that failed. */
  readonly open: () => Promise<Router>;
  /** Who is let in, where that is not for the API's token to say. */
  readonly authorize?: Authorize;
}

/** Where the API begins; no blob's path begins like this, whatever the APIKey, for no URL begins with `v1/`. */
export const API_PREFIX = '/api/v1/';

/**
 * Serves `/api/v1/…` out of sections, and passes on what lies elsewhere. No code of a section is loaded before
 * somebody who may asks for it.
 *
 * @throws P2PError API_NOT_FOUND where there is no such section or route, what the section's `authorize` or else
 * `authorize` refuses with.
 */
export function createApi(sections: readonly ApiSection[], authorize: Authorize): Middleware {
  const byName = new Map(sections.map((section) => [section.name, { section, routes: once(section.open) }]));
  return async function serveApi(ctx: Context, next: Next) {
    if (!ctx.path.startsWith(API_PREFIX)) return next();
    const name = ctx.path.slice(API_PREFIX.length).split('/', 1)[0] ?? '';
    const found = byName.get(name);
    if (found === undefined) throw notFound(ctx, [...byName.keys()]);
    await (found.section.authorize ?? authorize)(ctx);
    const router = await found.routes();
    const answer = router.routes() as unknown as Middleware;
    const refuse = router.allowedMethods() as unknown as Middleware;
    await answer(ctx, async () => {
      await refuse(ctx, async () => {});
      if (ctx.status === 404) throw notFound(ctx, [name]);
    });
  };
}

/** What to say of a part of the API that is not here. */
export function notFound({ method, path }: Context, known: readonly string[]): P2PError {
  const paths = known.map((name) => `${API_PREFIX}${name}`).join(', ');
  return new P2PError('API_NOT_FOUND', `${method} ${path} is not served here; known: ${paths}`);
}

/** Calls `open` once, and anew after it has failed. */
function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  return async () => {
    opening ??= open();
    try {
      return await opening;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  };
}
