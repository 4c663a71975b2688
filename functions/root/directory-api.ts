import type { Context } from 'koa';
import Router from 'koa-router';
import { P2PError } from '../protocol/errors.ts';
import { headerValue } from '../protocol/headers.ts';
import { AGENTS_PATH, isZone, parseAnnouncement } from '../protocol/member.ts';
import { CLOCK_HEADER, ROOT_AUDIENCE, TOKEN_HEADER, type TokenUse } from '../protocol/token.ts';
import { readJson } from '../service/api-body.ts';
import { ClusterKeys } from '../service/cluster-keys.ts';
import type { Settings } from '../service/config/settings.ts';
import { NodeTokens } from '../service/node-tokens.ts';
import { Directory, type DirectoryParts } from './directory.ts';
import { memberFault } from './member-fault.ts';

/** The URL of the agent that asks, proven; throws what whoever cannot prove one is answered with. */
type Identify = (ctx: Context, use: TokenUse) => string;

/**
 * `POST /api/v1/agents`: an agent says that it is there or goes, and of its own address alone.
 * `GET /api/v1/agents?zone=…`: those of a zone, with an ETag, for agents ask again and again.
 */
function directoryRoutes(directory: Directory, identify: Identify): Router {
  const router = new Router();
  router.post(AGENTS_PATH, async function announce(ctx) {
    const issuer = identify(ctx, 'write');
    const announced = parseAnnouncement(await readJson(ctx));
    if (announced === undefined) throw invalid('send {"id", "url", "zone", "weight"} of an agent');
    const fault = memberFault(announced.url, { issuer, remote: ctx.ip });
    if (fault !== undefined) throw invalid(`${announced.url} ${fault}`);
    await directory.announce(announced);
    ctx.status = 204;
  });
  router.get(AGENTS_PATH, async function list(ctx) {
    identify(ctx, 'read');
    const zone = typeof ctx.query.zone === 'string' ? ctx.query.zone : '';
    if (!isZone(zone)) throw invalid('zone= must be the label of a zone');
    const { members, etag } = await directory.list(zone);
    ctx.status = 200;
    ctx.set({ ETag: etag, 'Cache-Control': 'no-cache' });
    if (ctx.fresh) ctx.status = 304;
    else ctx.body = { members };
  });
  return router;
}

const ROOTS: ReadonlySet<string> = new Set([ROOT_AUDIENCE]);

/** What a root's directory is opened with. */
interface DirectoryApiParts extends DirectoryParts {
  readonly secrets: Settings['Secret'];
  readonly self: string;
}

/** The routes of a root's directory, for the agents that share its Secret. */
export function openDirectory({ secrets, self, ...parts }: DirectoryApiParts): Router {
  const keys = ClusterKeys.of(secrets);
  const tokens = keys && new NodeTokens({ keys, self, now: Date.now });
  const directory = new Directory(parts);
  return directoryRoutes(directory, byToken(tokens));
}

/**
 * Agents are known by X-P2P-Token.
 *
 * @throws P2PError API_CLOSED where there is no Secret, TOKEN_REFUSED for what no holder of it signed.
 */
function byToken(tokens: NodeTokens | undefined): Identify {
  return function identify(ctx, use) {
    if (tokens === undefined) {
      throw new P2PError(
        'API_CLOSED',
        'agents find each other by a root that shares a Secret with them: set Secret',
      );
    }
    const verdict = tokens.verify(headerValue(ctx.req.headers, TOKEN_HEADER) ?? '', ROOTS, use);
    if ('fault' in verdict) {
      const { fault, clock } = verdict;
      throw new P2PError(
        'TOKEN_REFUSED',
        fault,
        clock === undefined ? {} : { headers: { [CLOCK_HEADER]: clock } },
      );
    }
    return verdict.issuer;
  };
}

const invalid = (message: string): P2PError => new P2PError('API_REQUEST_INVALID', message);
