import type { Context, Middleware, Next } from 'koa';
import { API_PREFIX, notFound } from '../service/api.ts';

/** The variable that says where the function is that serves a section; serverless.yml sets them. */
const VARIABLES: Readonly<Record<string, string>> = {
  agents: 'API_AGENTS_URL',
  warm: 'API_WARM_URL',
  sweep: 'API_SWEEP_URL',
  purge: 'API_SWEEP_URL',
  cost: 'API_SWEEP_URL',
};

/**
 * Sends who asks a function for the API to the function that serves that section: people have one URL for all of a
 * root. It is the other function that asks for a token.
 *
 * @throws P2PError API_NOT_FOUND where there is no such function.
 */
export function apiElsewhere(env: Readonly<Record<string, string | undefined>>): Middleware {
  return async function sendOn(ctx: Context, next: Next) {
    if (!ctx.path.startsWith(API_PREFIX)) return next();
    const name = ctx.path.slice(API_PREFIX.length).split('/', 1)[0] ?? '';
    const place = Object.hasOwn(VARIABLES, name) ? env[VARIABLES[name] ?? ''] : undefined;
    if (place === undefined || place === '') throw notFound(ctx, Object.keys(VARIABLES));
    ctx.redirect(place.replace(/\/$/, '') + ctx.url);
    ctx.status = 307;
  };
}
