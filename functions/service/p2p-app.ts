import type Koa from 'koa';
import type { Context, Middleware, Next } from 'koa';
import { LRUCache } from 'lru-cache';
import { MiB } from '../blob/chunk.ts';
import { type Address, parsePrefixTarget } from '../protocol/address.ts';
import { P2PError } from '../protocol/errors.ts';
import { AGENT_HEADER, extendChain, headerValue } from '../protocol/headers.ts';
import { API_PREFIX } from './api.ts';
import type { BlobRequest } from './blob-request.ts';
import { countReplies } from './count-replies.ts';
import { createApp } from './create-app.ts';
import { healthRoutes } from './health.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { NodeGate } from './node-gate.ts';
import type { Readiness } from './readiness.ts';
import type { Rules } from './rules.ts';
import type { BlobServer } from './serve-blob.ts';

/** What the P2P port of a node is made of. */
export interface P2PAppParts {
  readonly apiKey: string;
  /** This node's address in X-P2P-Agent chains. */
  readonly self: string;
  /** Who is let in. */
  readonly gate: NodeGate;
  /** Where a node is to ask instead of here; `undefined` where it is to be answered. */
  readonly refer?: (asked: BlobRequest) => string | undefined;
  readonly blobs: BlobServer;
  /** Which of them are denied, and what makes two URLs one blob. */
  readonly rules: Rules;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** What answers at `/api/v1/`; without it nothing does. */
  readonly api?: Middleware | undefined;
}

// Of a blob that is read in many small ranges the target is parsed and judged once: as many letters of targets are
// remembered.
const MAX_KNOWN_LETTERS = MiB;

/** The P2P port of a root or an agent: `/<APIKey>/<origin URL>`, `/healthz`, `/readyz`, of a root `/api/v1/` too. */
export function createP2PApp(parts: P2PAppParts): Koa {
  const { apiKey, self, gate, refer, blobs, rules, readiness, metrics, log, api } = parts;
  const app = createApp(log);
  const health = healthRoutes(readiness);
  const addresses = new LRUCache<string, Address>({
    maxSize: MAX_KNOWN_LETTERS,
    sizeCalculation: (_, target) => target.length,
  });
  const judge = (method: string, target: string): Address => {
    const { address } = rules.judge(parsePrefixTarget(target, apiKey), method);
    addresses.set(`${method} ${target}`, address);
    return address;
  };
  app.use(countReplies(metrics, 'p2p'));
  // Before the router, which costs small hits two fifths of their speed.
  app.use(function servePrefix(ctx: Context, next: Next) {
    const target = ctx.req.url ?? '/';
    const known = addresses.get(`${ctx.method} ${target}`);
    const isApi = known === undefined && api !== undefined && target.startsWith(API_PREFIX);
    if (known === undefined && (isApi || HEALTH_PATHS.has(ctx.path))) return next();
    const node = gate.nodeOf(ctx.req);
    const address = known ?? judge(ctx.method, target);
    const chain = extendChain(headerValue(ctx.req.headers, AGENT_HEADER), self);
    ctx.respond = false;
    const asked = {
      request: ctx.req,
      response: ctx.res,
      address,
      chain,
      node,
      shown: gate.shownBy(ctx.req, node),
    };
    const location = refer?.(asked);
    if (location === undefined) return blobs.serve(asked);
    ctx.res.writeHead(307, { location, 'content-length': 0 }).end();
  });
  app.use(health.routes());
  if (api !== undefined) app.use(api);
  app.use(function notFound(ctx: Context) {
    throw new P2PError('METHOD_NOT_ALLOWED', `${ctx.method} ${ctx.path} is not served here; use GET`);
  });
  return app;
}

const HEALTH_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);
