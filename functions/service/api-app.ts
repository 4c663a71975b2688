import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { API_PREFIX, notFound } from './api.ts';
import { createApp } from './create-app.ts';
import type { Logger } from './log.ts';

/** An app of the API alone, for a function that serves a part of it. */
export function createApiApp(api: Middleware, log: Logger): Koa {
  const app = createApp(log);
  app.use(api);
  app.use(function refuse(ctx: Context) {
    throw notFound(ctx, [`… below ${API_PREFIX}`]);
  });
  return app;
}
