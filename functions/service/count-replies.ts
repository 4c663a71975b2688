import type { Context, Middleware, Next } from 'koa';
import type { Metrics } from './metrics.ts';

/** Counts each reply by way in and status; 499 is a client that left before its reply was whole. */
export function countReplies(metrics: Metrics, way: string): Middleware {
  return function countReplies({ res }: Context, next: Next) {
    res.once('close', () => {
      // A connection that was switched to another protocol has had its whole reply.
      const isWhole = res.writableFinished || res.statusCode === 101;
      metrics.replied(way, isWhole ? res.statusCode : 499);
    });
    return next();
  };
}
