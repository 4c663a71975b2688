import Koa from 'koa';
import type { Logger } from './log.ts';
import { refuseAmbiguous } from './refuse-ambiguous.ts';
import { respondError } from './respond-error.ts';

/** An app that answers whatever its middleware throws, and prints nothing but its log. */
export function createApp(log: Logger): Koa {
  const app = new Koa();
  // Koa tells here of connections that break, and with nobody listening prints each one's stack.
  app.on('error', (cause: unknown) => log.debug({ cause }, 'connection_broken'));
  app.use(respondError(log));
  app.use(refuseAmbiguous);
  return app;
}
